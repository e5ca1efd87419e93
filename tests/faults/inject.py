#!/usr/bin/env python3
"""Breaks runs in random ways and checks what follows: tests/faults/inject.py --binary build/ddls_dist --injections 200 [--seed N].

A small run (training, sampling, evaluation on two ranks) is disturbed, started again, disturbed again ... until it is complete;
then the bytes of its samples must be those of an undisturbed run, and the next run begins. Disturbances:

  kill       SIGKILL to a random rank                      the job ends within 10 s, mpirun names rank and signal
  usr1       SIGUSR1 to mpirun, as before a time limit     exit code 75, "stopped by a signal" (138 while it loads)
  term_rank  SIGTERM to one rank                           exit code 75 on all (143 while it loads)
  term       SIGTERM to mpirun                             the job ends within 10 s
  stop       SIGSTOP to a random rank                      71 within the watchdog's limit, which names the rank
  suspend    SIGSTOP to all ranks for longer than that     goes on after SIGCONT and completes
  clock      the wall clock jumps by a day (libfaketime)   nothing happens: all waiting is by the monotonic clock
  damage     a bit flipped, or the end cut off, in a file of a checkpoint, a block or the statistics kept between runs, while
             nothing runs                                  the next start goes on without it, or refuses and names the file
  full       the run folder on a file system too small     71, "No space left on device"; with space again it goes on
  readonly   the run folder on a read-only file system     71, "Read-only file system"; writable again it goes on
  missing    a rank that never comes to MPI_Init           71, "hung in MPI_Init", after a minute
  host       a node that there is not                      mpirun names it and ends

Exits 0 if all held, and prints every injection and a table; 1 otherwise, with the output of what failed. Needs mpirun; `full`
and `readonly` need the right to mount, `clock` needs libfaketime. What cannot be done is said and left out.
"""
import argparse
import collections
import glob
import hashlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

WATCHDOG_S = 4
START_S = 60  # the program's limit while it starts
NEEDS = {"full": "no right to mount", "readonly": "no right to mount", "clock": "no libfaketime", "host": "no ssh"}


class Broken(Exception):
    pass


class Job:
    """One start of the program under mpirun."""

    def __init__(self, args, folder, mpirun=("-np", "2"), behind=(), environment=None):
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
        return [pid for pid in children if name_of(pid) == "ddls_dist"]

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
        self.log.seek(0)
        return self.log.read()


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
                    found[os.path.relpath(os.path.join(root, name), folder)] = hashlib.sha256(file.read()).hexdigest()
    return found


def complete(folder):
    return os.path.exists(os.path.join(folder, "report.json"))


PHASES = [("evaluate", r"evaluating against|features of|statistics of"), ("sample", r"sampling from|\d+ chains, \d+ steps"),
          ("classifier", r"\bclassifier[: ]"), ("ratio", r"density ratio|refining the ratio|\bratio[: ]"),
          ("gan", r"\bgan[: ]|generator \d+ parameters"), ("opening", r" info: ")]


def phase_of(job, folder):
    """What the run is doing, by its newest line that tells; "write" where a file is half written."""
    for _, folders, files in os.walk(folder):
        if any(name.endswith(".partial") for name in folders + files):
            return "write"
    for line in reversed(job.output().splitlines()):
        for name, pattern in PHASES:
            if re.search(pattern, line):
                return name
    return "loading"


class Table:
    """What was done, when, and how it ended."""

    def __init__(self):
        self.phases = collections.defaultdict(collections.Counter)
        self.codes = collections.defaultdict(collections.Counter)
        self.slowest = collections.defaultdict(float)

    def add(self, kind, phase, code, seconds=0.0):
        self.phases[kind][phase] += 1
        self.codes[kind][code] += 1
        self.slowest[kind] = max(self.slowest[kind], seconds)

    def text(self):
        columns = [name for name in ["loading", "opening", "gan", "ratio", "classifier", "sample", "evaluate", "write", "between"]
                   if any(counts[name] for counts in self.phases.values())]
        lines = [f"{'kind':<10}" + "".join(f"{name:>11}" for name in columns) + f"{'latest end':>12}  exit codes"]
        for kind, counts in sorted(self.phases.items()):
            codes = ", ".join(f"{code} x {n}" for code, n in sorted(self.codes[kind].items()))
            end = f"{self.slowest[kind]:.1f} s" if self.slowest[kind] else "-"
            lines.append(f"{kind:<10}" + "".join(f"{counts[name] or '-':>11}" for name in columns) + f"{end:>12}  {codes}")
        return "\n".join(lines)


def need(condition, what, job):
    if not condition:
        raise Broken(f"{what}\n{job.output()[-3000:]}")


def disturb(args, chance, kind, folder):
    """Starts the run and disturbs it. False: it was complete before."""
    job = Job(args, folder)
    began = time.monotonic()
    # Half of the time by the clock, half just after a file has come: that is where files are written.
    pause = args.startup + chance.uniform(0, max(0.5, 0.6 * (args.whole_seconds - args.startup)))
    by_file, files = chance.random() < 0.5, count_files(folder)
    wanted = chance.randint(1, 12)
    while job.process.poll() is None and time.monotonic() - began < pause:
        if by_file and count_files(folder) >= files + wanted:
            break
        time.sleep(0.005)
    ranks = job.ranks()
    if job.process.poll() is not None or not ranks:
        code = job.wait(60)
        need(code == 0, f"an undisturbed start ended with {code}", job)
        return False
    phase = phase_of(job, folder)
    victim = chance.choice(ranks)
    if kind == "suspend":
        return suspend(args, job, ranks, phase)
    if kind == "usr1":
        send(job.process.pid, signal.SIGUSR1)
    elif kind == "term":
        send(job.process.pid, signal.SIGTERM)
    else:
        send(victim, {"kill": signal.SIGKILL, "term_rank": signal.SIGTERM, "stop": signal.SIGSTOP}[kind])
    sent = time.monotonic()
    code = job.wait(args.end_seconds + (WATCHDOG_S if kind == "stop" else 0) + (START_S if phase == "loading" else 0))
    seconds = time.monotonic() - sent
    need(code is not None, f"{kind}: the job lived on for {seconds:.0f} s", job)
    if code == 0:
        return False  # it had nothing left to do
    text = job.output()
    if kind == "kill":
        need(code == 137, f"kill: exit code {code}, not 137", job)
        need(re.search(r"process rank \d+ .*signal 9|rank \d+.*exited on\s+signal 9", text, re.S), "kill: nobody named the rank and the signal", job)
    if kind in ("usr1", "term_rank") and code in (138, 143) and " info: " not in text:
        args.early += 1  # the rank was still loading its libraries, where a signal means death: it had nothing to save
    elif kind in ("usr1", "term_rank"):
        need(code == 75, f"{kind}: exit code {code}, not 75", job)
        need("stopped by a signal" in text, f"{kind}: nobody said that the run was stopped", job)
    if kind == "stop":
        need(code == 71, f"stop: exit code {code}, not 71", job)
        need(re.search(r"rank \d+ hung in \w+|rank \d+ on \S+ gave no sign of life", text), "stop: no watchdog spoke", job)
    args.table.add(kind, phase, code, seconds if phase != "loading" else 0)
    if phase != "loading":
        args.latest = max(args.latest, seconds)
    return True


def suspend(args, job, ranks, phase):
    """As a batch system does it to the whole job."""
    for pid in ranks:
        send(pid, signal.SIGSTOP)
    time.sleep(1.5 * WATCHDOG_S)
    for pid in ranks:
        send(pid, signal.SIGCONT)
    code = job.wait(60 + 3 * args.whole_seconds)
    need(code == 0, f"suspend in phase {phase}: exit code {code}", job)
    args.table.add("suspend", phase, code)
    return False


def clock_jump(args, chance, folder):
    """None where there is no libfaketime."""
    library = next(iter(glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")), None)
    if not library:
        return None
    jump = chance.choice([-86400, -3600, 3600, 86400])
    stamp = os.path.join(args.scratch, "clock")
    write_text(stamp, "+0")
    job = Job(args, folder, environment={"LD_PRELOAD": library, "FAKETIME_TIMESTAMP_FILE": stamp, "FAKETIME_NO_CACHE": "1",
                                         "FAKETIME_DONT_FAKE_MONOTONIC": "1"})
    began, pause = time.monotonic(), args.startup + chance.uniform(0, args.whole_seconds)
    while job.process.poll() is None and time.monotonic() - began < pause:
        time.sleep(0.05)
    phase = phase_of(job, folder)
    if job.process.poll() is not None:
        phase = "between"
    write_text(stamp, f"{jump:+d}")
    code = job.wait(60 + 6 * args.whole_seconds)
    need(code == 0, f"the clock jumps by {jump} s in phase {phase}: exit code {code}", job)
    args.table.add("clock", phase, code)
    return f"the clock jumps by {jump} s in phase {phase}"


def missing_rank(args, folder):
    """The second rank is a program that does not know MPI."""
    job = Job(args, folder, mpirun=("-np", "1"), behind=(":", "-np", "1", "sleep", "600"))
    began = time.monotonic()
    code = job.wait(START_S + args.end_seconds + 30)
    need(code == 71 and "rank 0 hung in MPI_Init" in job.output(), f"missing rank: exit code {code}", job)
    args.table.add("missing", "loading", code, time.monotonic() - began)


def missing_host(args, folder):
    """None where there is no ssh, by which mpirun would start it."""
    if not shutil.which("ssh"):
        return None
    job = Job(args, folder, mpirun=("-np", "2", "--host", "localhost:1,no-such-host.invalid:1", "--map-by", "node"))
    began = time.monotonic()
    code = job.wait(30 + args.end_seconds)
    # Whether the message names the host is up to mpirun and ssh: no rank of ours has started.
    need(code not in (0, None), f"missing host: exit code {code}", job)
    args.table.add("host", "loading", code, time.monotonic() - began)
    return "a host that there is not"


def write_text(path, text):
    with open(path + ".new", "w") as file:
        file.write(text)
    os.rename(path + ".new", path)


def count_files(folder):
    return sum(len(files) for _, _, files in os.walk(folder))


def damage(chance, folder):
    """Returns what was done, or None where there is nothing to damage yet."""
    candidates = []
    for root, _, files in os.walk(folder):
        if "/checkpoints/" in root + "/" or root.endswith("/blocks") or "/cache" in root:
            candidates += [os.path.join(root, name) for name in files if os.path.getsize(os.path.join(root, name)) > 0]
    if not candidates:
        return None
    path = chance.choice(sorted(candidates))
    size = os.path.getsize(path)
    if chance.random() < 0.5:
        with open(path, "r+b") as file:
            file.truncate(chance.randrange(size))
        return f"cut {os.path.relpath(path, folder)}"
    with open(path, "r+b") as file:
        place = chance.randrange(size)
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ (1 << chance.randrange(8))]))
    return f"flipped a bit of {os.path.relpath(path, folder)}"


def go_on_after_damage(args, folder, what):
    """The next start completes, or refuses and names the file; then the file goes, as the message says, and it completes. Returns
    the exit code of that start."""
    first = None
    for _ in range(6):
        job = Job(args, folder)
        code = job.wait(120)
        first = code if first is None else first
        need(code is not None, f"{what}: the job hangs", job)
        if code == 0:
            return first
        named = [path for path in re.findall(r"([^\s']+/(?:checkpoints|samples|cache)/\S+?)[:,;'\s]", job.output()) if os.path.exists(path)]
        need(code == 65 and named, f"{what}: exit code {code}, and no file is named", job)
        for path in set(named):
            shutil.rmtree(path) if os.path.isdir(path) else os.remove(path)
    raise Broken(f"{what}: it does not come up again")


def full_disk(args, chance, wanted):
    """None where no file system can be mounted."""
    place = os.path.join(args.scratch, "full")
    os.makedirs(place, exist_ok=True)
    size = chance.randint(150, max(200, args.whole_kib * 3 // 4))
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", place]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode != 0:
        return None
    try:
        folder = os.path.join(place, "run")
        job = Job(args, folder)
        code = job.wait(60 + 3 * args.whole_seconds)
        need(code == 71 and "No space left on device" in job.output(), f"full disk of {size} kB: exit code {code}", job)
        subprocess.run(["mount", "-o", "remount,size=200m", place], check=True)
        job = Job(args, folder)
        code = job.wait(60 + 3 * args.whole_seconds)
        need(code == 0, f"after a full disk of {size} kB: exit code {code}", job)
        need(hashes(folder) == wanted, f"after a full disk of {size} kB: other bytes", job)
        args.table.add("full", "write", 71)
        return f"full disk ({size} kB)"
    finally:
        subprocess.run(["umount", place], check=False)


def read_only(args, chance, wanted):
    """None where no file system can be mounted."""
    place = os.path.join(args.scratch, "locked")
    os.makedirs(place, exist_ok=True)
    if not shutil.which("mount") or subprocess.run(["mount", "-t", "tmpfs", "tmpfs", place], capture_output=True).returncode != 0:
        return None
    try:
        folder = os.path.join(place, "run")
        begun = chance.random() < 0.7 and disturb(args, chance, "kill", folder)
        subprocess.run(["mount", "-o", "remount,ro", place], check=True)
        job = Job(args, folder)
        began = time.monotonic()
        code = job.wait(60 + 3 * args.whole_seconds)
        seconds = time.monotonic() - began
        if code == 0 and complete(folder):
            return "read-only after the end: nothing to do"
        need(code == 71 and "Read-only file system" in job.output() and place in job.output(), f"read-only: exit code {code}", job)
        subprocess.run(["mount", "-o", "remount,rw", place], check=True)
        job = Job(args, folder)
        code = job.wait(60 + 3 * args.whole_seconds)
        need(code == 0, f"after a read-only file system: exit code {code}", job)
        need(hashes(folder) == wanted, "after a read-only file system: other bytes", job)
        args.table.add("readonly", "opening", 71, seconds)
        return "read-only, " + ("in the middle of a run" if begun else "before a run")
    finally:
        subprocess.run(["umount", place], check=False)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", required=True)
    parser.add_argument("--injections", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scratch", default=None)
    parser.add_argument("--end-seconds", type=float, default=10, help="from the disturbance to the end of the job; more on a loaded machine")
    parser.add_argument("--kinds", default="kill,usr1,term_rank,term,stop,damage,full,readonly,suspend,clock,host,missing")
    args = parser.parse_args()
    args.binary = os.path.abspath(args.binary)
    os.environ.update({"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMP_NUM_THREADS": "1",
                       "OMPI_MCA_rmaps_base_oversubscribe": "1", "OMPI_MCA_hwloc_base_binding_policy": "none",
                       "OMPI_MCA_mpi_yield_when_idle": "1"})
    own = args.scratch is None
    args.scratch = os.path.abspath(args.scratch or tempfile.mkdtemp(prefix="ddls_faults."))
    os.makedirs(args.scratch, exist_ok=True)
    try:
        return inject(args)
    finally:
        if own:
            shutil.rmtree(args.scratch, ignore_errors=True)


def inject(args):
    chance = random.Random(args.seed)
    here = os.path.dirname(os.path.abspath(__file__))
    subprocess.run([sys.executable, os.path.join(here, "..", "e2e", "make_images.py"), os.path.join(args.scratch, "data")], check=True)
    args.config = os.path.join(args.scratch, "small.yaml")
    shutil.copy(os.path.join(here, "small.yaml"), args.config)
    whole = os.path.join(args.scratch, "whole")
    shutil.rmtree(whole, ignore_errors=True)
    start = time.monotonic()
    job = Job(args, whole)
    need(job.wait(600) == 0, "the undisturbed run", job)
    args.whole_seconds = time.monotonic() - start
    args.whole_kib = sum(os.path.getsize(os.path.join(r, f)) for r, _, files in os.walk(whole) for f in files) // 1024
    args.startup = min(1.0, args.whole_seconds / 4)
    args.latest, args.early, args.table = 0.0, 0, Table()
    wanted = hashes(whole)
    if len(wanted) < 9:
        raise SystemExit(f"the undisturbed run left only {sorted(wanted)}")
    print(f"undisturbed: {args.whole_seconds:.1f} s, {args.whole_kib} kB, {len(wanted)} files to compare", flush=True)

    kinds, done, broken, runs = args.kinds.split(","), collections.Counter(), [], 0
    folder = os.path.join(args.scratch, "cut")
    shutil.rmtree(folder, ignore_errors=True)

    def check_complete(what):
        nonlocal runs
        if hashes(folder) != wanted:
            other = sorted(k for k in wanted if hashes(folder).get(k) != wanted[k])
            raise Broken(f"{what}: complete, but with other bytes: {', '.join(other)}")
        runs += 1
        shutil.rmtree(folder)

    while sum(done.values()) < args.injections:
        kind = kinds[sum(done.values()) % len(kinds)] if sum(done.values()) < len(kinds) else chance.choice(kinds)
        what = kind
        try:
            once = {"full": lambda: full_disk(args, chance, wanted), "readonly": lambda: read_only(args, chance, wanted),
                    "clock": lambda: clock_jump(args, chance, folder), "host": lambda: missing_host(args, folder)}
            if kind in once:
                done_what = once[kind]()
                if done_what is None:
                    print(f"{kind}: not possible here ({NEEDS[kind]}); left out", flush=True)
                    kinds.remove(kind)
                    continue
                what = done_what
                if kind == "clock":
                    check_complete(what)
            elif kind == "missing":
                missing_rank(args, folder)
            elif kind == "damage":
                while not (what := damage(chance, folder)):
                    if not disturb(args, chance, "kill", folder):
                        check_complete("kill")
                code = go_on_after_damage(args, folder, what)
                args.table.add("damage", "between", code)
                check_complete(what)
            else:
                before = args.table.phases[kind].total()
                if not disturb(args, chance, kind, folder):
                    check_complete("a run that was disturbed before")
                if args.table.phases[kind].total() == before:
                    continue  # it came too late: not counted
            done[kind] += 1
            print(f"{sum(done.values()):>4} ok      {what}", flush=True)
        except Broken as error:
            done[kind] += 1
            broken.append(str(error))
            print(f"{sum(done.values()):>4} BROKEN  {what}: {error}", flush=True)
            shutil.rmtree(folder, ignore_errors=True)
    for _ in range(3):  # the last run to its end
        if not os.path.exists(folder):
            break
        try:
            job = Job(args, folder)
            code = job.wait(60 + 3 * args.whole_seconds)
            need(code == 0, f"the last start ended with {code}", job)
            check_complete("the last run")
        except Broken as error:
            broken.append(str(error))
            print(f"BROKEN  {error}", flush=True)
            break
    print(args.table.text())
    print(f"{sum(done.values())} injections ({', '.join(f'{k} {n}' for k, n in sorted(done.items()))}), {runs} runs completed with the "
          f"right bytes, latest end {args.latest:.1f} s after a signal, {args.early} signals met a program that was loading, {len(broken)} broken (seed {args.seed})")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
