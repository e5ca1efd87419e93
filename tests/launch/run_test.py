"""launch/run.sh around a program that is played by a script: which jobs it starts, how often, and its exit code."""
import os
import shutil
import subprocess
import tempfile
import unittest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")

MPIRUN = """#!/bin/bash
while [[ $1 != */ddls_dist ]]; do shift; done
exec "$@"
"""

# Writes what it was called with, and ends with the next number of codes-COMMAND (0 where there is none left).
PROGRAM = """#!/bin/bash
command=pipeline
for word in "$@"; do case $word in train | sample | config) command=$word ;; esac; done
if [[ $command == config ]]; then exit 0; fi
exec 9>lock
flock 9
echo "$command $*" >>calls
code=$(head -n 1 codes-$command 2>/dev/null)
sed -i 1d codes-$command 2>/dev/null
exec 9>&-
if [[ $code == 137 ]]; then kill -KILL $$; fi
if [[ $code == stop ]]; then kill -STOP $$; fi
exit ${code:-0}
"""


def executable(path, text):
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, 0o755)


class Run(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        os.makedirs(os.path.join(self.folder, "build"))
        shutil.copytree(os.path.join(ROOT, "launch"), os.path.join(self.folder, "launch"))
        for name in ("src", "cmake"):
            os.makedirs(os.path.join(self.folder, name))
        for name in ("CMakeLists.txt", "CMakePresets.json", "c.yaml"):
            open(os.path.join(self.folder, name), "w").close()
        executable(os.path.join(self.folder, "build", "ddls_dist"), PROGRAM)
        executable(os.path.join(self.folder, "mpirun"), MPIRUN)
        open(os.path.join(self.folder, "build", ".setup-complete"), "w").close()

    def run_script(self, *options, **codes):
        """The exit code, the commands that were started, and what was said."""
        for command, list_of in codes.items():
            with open(os.path.join(self.folder, "codes-" + command), "w") as file:
                file.write("".join(f"{code}\n" for code in list_of))
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SLURM_")}
        environment |= {"PATH": self.folder + ":" + os.environ["PATH"], "CUDA_VISIBLE_DEVICES": ""}
        done = subprocess.run(["launch/run.sh", "c.yaml", "-np", "3", *options], cwd=self.folder, env=environment, timeout=60,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        with open(os.path.join(self.folder, "calls")) as file:
            return done.returncode, [line.split()[0] for line in file], done.stdout

    def test_a_run_that_is_lost_starts_again_as_often_as_allowed(self):
        code, calls, said = self.run_script("--restarts", "2", pipeline=[137, 71, 0])
        self.assertEqual((code, calls), (0, ["pipeline"] * 3), said)
        self.assertIn("ended with 71: it starts again from what it saved (0 more times)", said)

    def test_no_more_often(self):
        code, calls, said = self.run_script("--restarts", "1", pipeline=[71, 71, 0])
        self.assertEqual((code, calls), (71, ["pipeline"] * 2), said)

    def test_not_at_all_unless_asked(self):
        self.assertEqual(self.run_script(pipeline=[71, 0])[:2], (71, ["pipeline"]))

    def test_what_would_happen_again_is_not_repeated(self):
        for wrong in (78, 65, 75):
            os.path.exists(os.path.join(self.folder, "calls")) and os.remove(os.path.join(self.folder, "calls"))
            self.assertEqual(self.run_script("--restarts", "5", pipeline=[wrong, 0])[:2], (wrong, ["pipeline"]))

    def test_sampling_outlives_its_processes(self):
        code, calls, said = self.run_script("--survive", sample=[137, 0, 137])
        self.assertEqual((code, calls), (0, ["train"] + ["sample"] * 3 + ["pipeline"]), said)

    def test_a_stopped_process_does_not_hold_up_the_end(self):
        code, calls, said = self.run_script("--survive", sample=["stop", 0, 0])
        self.assertEqual((code, calls), (0, ["train"] + ["sample"] * 3 + ["pipeline"]), said)

    def test_all_lost(self):
        code, calls, said = self.run_script("--survive", sample=[137, 137, 137])
        self.assertEqual((code, calls), (137, ["train"] + ["sample"] * 3), said)
        self.assertIn("no sampling process came to the end", said)

    def test_a_mistake_is_told_before_a_loss(self):
        self.assertEqual(self.run_script("--survive", sample=[137, 78, 78])[0], 78)
        self.assertEqual(self.run_script("--survive", train=[78])[0], 78)


unittest.main()
