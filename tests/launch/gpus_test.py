"""What the scripts of launch/ know about GPUs, on a machine without: how many are visible, which variables go to other nodes, and how
launch/gpu_check.py starts the program."""
import json
import os
import stat
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
LAUNCH = os.path.join(ROOT, "launch")
PLAIN = {k: v for k, v in os.environ.items() if not k.startswith(("NCCL_", "UCX_", "SLURM_", "DDLS_")) and k != "CUDA_VISIBLE_DEVICES"}


def bash(text, **variables):
    out = subprocess.run(["bash", "-c", "set -euo pipefail; " + text], capture_output=True, text=True, env={**PLAIN, **variables})
    assert out.returncode == 0, out.stderr
    return out.stdout.strip()


def program(folder, name, text):
    path = os.path.join(folder, name)
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, os.stat(path).st_mode | stat.S_IXUSR)
    return path


def gpu_check(folder, fake, *options, **variables):
    """launch/gpu_check.py on the stand-in `fake` of the program, into folder/out; mpirun starts one rank, which knows of how many."""
    mpirun = program(folder, "mpirun", f"""#!{sys.executable}
import os, sys
at = sys.argv.index({fake!r})
os.environ["OMPI_COMM_WORLD_SIZE"] = sys.argv[sys.argv.index("-np") + 1]
os.execv(sys.argv[at], sys.argv[at:])
""")
    return subprocess.run([sys.executable, os.path.join(LAUNCH, "gpu_check.py"), "--binary", fake, "--mpirun", mpirun, "--tests", folder,
                           "--configs", folder, "--out", os.path.join(folder, "out"), *options], capture_output=True, text=True,
                          env={**PLAIN, **variables})


class Gpus(unittest.TestCase):
    def test_visible_ones_are_counted_as_cuda_counts_them(self):
        for value, count in (("", 0), ("-1", 0), ("NoDevFiles", 0), ("none", 0), ("0", 1), ("0,1,2", 3), ("2,-1,3", 1), (" 1, 2", 2),
                             ("GPU-0cb1,GPU-77aa", 2), ("MIG-3f9,1", 2)):
            self.assertEqual(bash(f"source {LAUNCH}/lib.sh; visible_gpus", CUDA_VISIBLE_DEVICES=value), str(count), value)
        with tempfile.TemporaryDirectory() as folder:
            program(folder, "nvidia-smi", "#!/bin/sh\necho 'GPU 0: NVIDIA H200 (UUID: GPU-1)'\necho 'GPU 1: NVIDIA H200 (UUID: GPU-2)'\n")
            self.assertEqual(bash(f"source {LAUNCH}/lib.sh; visible_gpus", PATH=folder + ":" + PLAIN["PATH"]), "2")
            program(folder, "nvidia-smi", "#!/bin/sh\necho 'no driver' >&2\nexit 9\n")
            self.assertEqual(bash(f"source {LAUNCH}/lib.sh; visible_gpus", PATH=folder + ":" + PLAIN["PATH"]), "0")

    def test_variables_of_the_network_go_to_all_nodes(self):
        show = f'source {LAUNCH}/lib.sh; NCCL_NOT_EXPORTED=1; forward_variables; echo "${{forwarded[@]}}"'
        self.assertEqual(bash(show), "")
        self.assertEqual(bash(show, NCCL_ALGO="Ring", UCX_NET_DEVICES="mlx5_0:1", OTHER_NCCL_X="1", NCCL_DEBUG=""),
                         "-x NCCL_ALGO -x NCCL_DEBUG -x UCX_NET_DEVICES")

    def test_so_they_do_in_batch_scripts(self):
        with tempfile.TemporaryDirectory() as folder:
            config = program(folder, "some.yaml", "")
            launcher = bash(f'root={ROOT}; set -- {config}; source {LAUNCH}/slurm/common.sh; echo "${{launcher[@]}}"', SLURM_JOB_ID="7",
                            DDLS_BINARY="/bin/true", DDLS_LAUNCHER="mpirun", NCCL_SOCKET_IFNAME="eth0", SLURM_CPUS_PER_TASK="12")
            self.assertEqual(launcher, "mpirun --map-by slot:PE=12 --bind-to core -x OMP_NUM_THREADS -x OMP_WAIT_POLICY -x NCCL_SOCKET_IFNAME")

    def test_gpu_check_asks_the_program_under_mpirun(self):
        # In an allocation the program refuses to be one rank of its own; the stand-in does the same.
        with tempfile.TemporaryDirectory() as folder:
            fake = program(folder, "fake", f"""#!{sys.executable}
import json, os, sys
if os.environ.get("SLURM_NTASKS") and "OMPI_COMM_WORLD_SIZE" not in os.environ: sys.exit(78)
json.dump({{"devices": []}}, open(sys.argv[sys.argv.index("--json") + 1], "w"))
print("no GPU          the driver is too old")
""")
            done = gpu_check(folder, fake, SLURM_NTASKS="8")
            self.assertEqual(done.returncode, 78, done.stderr)
            self.assertIn("no GPU can be used here: the driver is too old", done.stderr)


    def test_gpu_check_writes_as_it_goes(self):
        # Every bench fails; what was found before the first is on the disk by then.
        with tempfile.TemporaryDirectory() as folder:
            out = os.path.join(folder, "out")
            fake = program(folder, "fake", f"""#!{sys.executable}
import json, os, sys
info = {{"version": "1", "git_commit": "c", "torch": "2", "nccl": "2", "mpi": "m", "devices": ["H200"], "cuda": "13.0"}}
if sys.argv[1] == "info":
    json.dump(info, open(sys.argv[sys.argv.index("--json") + 1], "w"))
    sys.exit()
if sys.argv[1] == "bench":
    found = json.load(open({out!r} + "/gpu_check.json"))
    assert found["checks"] and not found["checks"][0]["passed"] and os.path.getsize({out!r} + "/gpu_check.txt")
    print("the file was there")
sys.exit(70)
""")
            done = gpu_check(folder, fake, "--quick")
            self.assertEqual(done.returncode, 70, done.stderr)
            self.assertIn("FAILED  GPU tests", done.stdout)
            self.assertEqual(done.stdout.count("the file was there"), done.stdout.count("FAILED  bench") + done.stdout.count("FAILED  profile"), done.stdout)
            self.assertGreater(done.stdout.count("FAILED  bench"), 1)

    def test_gpu_check_ends_in_time(self):
        # Training takes 4 s, of which the budget allows few; the weights of the second are others.
        with tempfile.TemporaryDirectory() as folder:
            out = os.path.join(folder, "out")
            fake = program(folder, "fake", f"""#!{sys.executable}
import json, os, sys, time
info = {{"version": "1", "git_commit": "c", "torch": "2", "nccl": "2", "mpi": "m", "devices": ["H200"], "cuda": "13.0"}}
if sys.argv[1] == "info":
    json.dump(info, open(sys.argv[sys.argv.index("--json") + 1], "w"))
if sys.argv[1] == "train":
    time.sleep(4)
    folder = sys.argv[sys.argv.index("--out") + 1] + "/checkpoints/step-2"
    os.makedirs(folder)
    with open({folder!r} + "/calls", "a+") as calls:
        calls.write("x")
        open(folder + "/generator.safetensors", "w").write(str(calls.tell() > 1))
""")
            done = gpu_check(folder, fake, "--budget", "40")
            self.assertEqual(done.returncode, 70, done.stdout + done.stderr)
            self.assertIn("ok      training images in float32\n", done.stdout)
            self.assertIn("FAILED  training images in float32 a second time: the same weights: other bytes: checkpoints/step-2/generator.safetensors", done.stdout)
            self.assertIn("left out bench evaluation at 1 ranks", done.stdout)
            with open(os.path.join(out, "gpu_check.json")) as file:
                found = json.load(file)
            self.assertIn("training images in bfloat16", found["left_out"])
            self.assertFalse([c for c in found["checks"] if "bfloat16" in c["name"]])


if __name__ == "__main__":
    unittest.main()
