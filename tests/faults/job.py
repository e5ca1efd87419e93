"""A start of the program under mpirun, and what can be seen of it from outside."""
import hashlib
import os
import re
import signal
import subprocess
import tempfile

WATCHDOG_S = 4
COMPLETE_S = 600  # for a start that nothing disturbs: far beyond what a loaded machine takes, only to notice a hang


class Broken(Exception):
    pass


class Job:
    """One start of the program under mpirun."""

    def __init__(self, args, folder, mpirun=("-np", "2"), behind=(), environment=None):
        self.program = os.path.basename(args.binary)[:15]  # all that the kernel keeps of a name
        self.log = tempfile.TemporaryFile("w+")
        command = ["mpirun", *mpirun, args.binary, "--config", args.config, "--out", folder, "--watchdog", str(WATCHDOG_S),
                   "--set", f"evaluate.cache={folder}/cache", *behind]
        self.process = subprocess.Popen(command, stdout=self.log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                        start_new_session=True, env={**os.environ, **(environment or {})})

    def ranks(self):
        try:
            with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children") as file:
                children = [int(pid) for pid in file.read().split()]
        except OSError:
            return []
        return [pid for pid in children if name_of(pid) == self.program]

    def wait(self, seconds):
        """The exit code, or None if it lives on; then it is ended."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            for pid in self.ranks():
                send(pid, signal.SIGKILL)
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            return None

    def output(self):
        # Not seek: the job writes at the same offset.
        return os.pread(self.log.fileno(), os.fstat(self.log.fileno()).st_size, 0).decode(errors="replace")


def name_of(pid):
    try:
        with open(f"/proc/{pid}/comm") as file:
            return file.read().strip()
    except OSError:
        return ""


def send(pid, number):
    try:
        os.kill(pid, number)
        return True
    except ProcessLookupError:
        return False


def hashes(folder):
    found = {}
    for root, _, files in os.walk(os.path.join(folder, "samples")):
        for name in files:
            if name in ("samples.npz", "latents.npz", "chains.jsonl") or "snapshots" in root:
                with open(os.path.join(root, name), "rb") as file:
                    content = file.read()
                if name == "chains.jsonl":  # what an evaluation added is equal to rounding only
                    content = re.sub(rb',"metrics":.*$', b"}", content, flags=re.MULTILINE)
                    content = re.sub(rb'^{"step":[0-9]*}\n', b"", content, flags=re.MULTILINE)
                found[os.path.relpath(os.path.join(root, name), folder)] = hashlib.sha256(content).hexdigest()
    return found


def complete(folder):
    return os.path.exists(os.path.join(folder, "report.json"))


PHASES = [("evaluate", r"evaluating against|features of|statistics of"), ("sample", r"sampling from|\d+ chains, \d+ steps"),
          ("classifier", r"\bclassifier[: ]"), ("ratio", r"density ratio|refining the ratio|\bratio[: ]"),
          ("gan", r"\bgan[: ]|generator \d+ parameters"), ("opening", r" info: ")]


def phase_of(job, folder):
    """What the run is doing, by its newest line that tells; "write" where a file is half written."""
    said = next((name for line in reversed(job.output().splitlines()) for name, pattern in PHASES if re.search(pattern, line)), "loading")
    if said == "loading":
        return said  # what is half written is an earlier run's
    half = any(name.endswith(".partial") for _, folders, files in os.walk(folder) for name in folders + files)
    return "write" if half else said


def count_files(folder):
    return sum(len(files) for _, _, files in os.walk(folder))


def need(condition, what, job):
    if not condition:
        raise Broken(f"{what}\n{job.output()[-3000:]}")
