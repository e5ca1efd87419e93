#!/usr/bin/env python3
"""Breaks runs in random ways and checks what follows: tests/faults/inject.py --binary build/ddls_dist --injections 200 [--seed N].

A small run (training, sampling, evaluation on two ranks) is disturbed, started again, disturbed again ... until it is complete;
then the bytes of its samples must be those of an undisturbed run, and the next run begins. Disturbances:

  kill       SIGKILL to a random rank                      the job ends within 10 s, mpirun names rank and signal
  usr1       SIGUSR1 to mpirun, as before a time limit     exit code 75, "stopped by a signal" (138 while it loads)
  term_rank  SIGTERM to one rank                           exit code 75 on all (143 while it loads)
  term       SIGTERM to mpirun                             the job ends within 10 s
  stop       SIGSTOP to a random rank                      the watchdog ends the job: 71, "rank 0 hung in ..."; where the ranks
                                                           work on their own (sampling) nobody waits under it: then SIGCONT,
                                                           and the run must complete ("not noticed" in the last line)
  damage     a bit flipped, or the end cut off, in a file of a checkpoint, a block or the statistics kept between runs, while
             nothing runs                                  the next start goes on without it, or refuses and names the file
  full       the run folder on a file system too small     71, "No space left on device"; with space again it goes on

Exits 0 if all held, and prints every injection; 1 otherwise, with the output of what failed. Needs mpirun; `full` needs the right
to mount.
"""
import argparse
import collections
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


class Broken(Exception):
    pass


class Job:
    """One start of the program under mpirun."""

    def __init__(self, args, folder, extra=()):
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(["mpirun", "-np", "2", args.binary, "--config", args.config, "--out", folder,
                                         "--watchdog", str(WATCHDOG_S), "--set", f"evaluate.cache={folder}/cache", *extra], stdout=self.log, stderr=subprocess.STDOUT,
                                        stdin=subprocess.DEVNULL, start_new_session=True)

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

    def lives(self, seconds):
        end = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < end:
            time.sleep(0.05)
        return self.process.poll() is None

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
    victim = chance.choice(ranks)
    if kind == "usr1":
        send(job.process.pid, signal.SIGUSR1)
    elif kind == "term":
        send(job.process.pid, signal.SIGTERM)
    else:
        send(victim, {"kill": signal.SIGKILL, "term_rank": signal.SIGTERM, "stop": signal.SIGSTOP}[kind])
    sent = time.monotonic()
    if kind == "stop" and job.lives(args.end_seconds + WATCHDOG_S):
        need(not re.search(r"hung in", job.output()), "stop: the watchdog spoke, but the job lives on", job)
        send(victim, signal.SIGCONT)
        code = job.wait(60 + 3 * args.whole_seconds)
        need(code == 0, f"stop and go on: exit code {code}", job)
        args.not_noticed += 1
        return False
    code = job.wait(args.end_seconds)
    need(code is not None, f"{kind}: the job lived on for {time.monotonic() - sent:.0f} s", job)
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
        need(re.search(r"rank \d+ hung in \w+", text), "stop: no watchdog spoke", job)
    args.latest = max(args.latest, time.monotonic() - sent)
    return True


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
    """The next start completes, or refuses and names the file; then the file goes, as the message says, and it completes."""
    for _ in range(6):
        job = Job(args, folder)
        code = job.wait(120)
        need(code is not None, f"{what}: the job hangs", job)
        if code == 0:
            return
        named = [path for path in re.findall(r"(\S+/(?:checkpoints|samples|cache)/\S+?)[:,;'\s]", job.output()) if os.path.exists(path)]
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
        return f"{size} kB"
    finally:
        subprocess.run(["umount", place], check=False)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", required=True)
    parser.add_argument("--injections", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scratch", default=None)
    parser.add_argument("--end-seconds", type=float, default=10, help="from the disturbance to the end of the job; more on a loaded machine")
    parser.add_argument("--kinds", default="kill,usr1,term_rank,term,stop,damage,full")
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
    args.latest, args.not_noticed, args.early = 0.0, 0, 0
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
            if kind == "full":
                size = full_disk(args, chance, wanted)
                if size is None:
                    print("full: no file system can be mounted here; left out", flush=True)
                    kinds.remove("full")
                    continue
                what = f"full disk ({size})"
            elif kind == "damage":
                while not (what := damage(chance, folder)):
                    if not disturb(args, chance, "kill", folder):
                        check_complete("kill")
                go_on_after_damage(args, folder, what)
                check_complete(what)
            else:
                before = args.not_noticed
                if not disturb(args, chance, kind, folder):
                    check_complete("a run that was disturbed before")
                    if args.not_noticed == before:
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
    print(f"{sum(done.values())} injections ({', '.join(f'{k} {n}' for k, n in sorted(done.items()))}), {runs} runs completed with the "
          f"right bytes, latest end {args.latest:.1f} s after a signal, {args.not_noticed} stopped ranks not noticed, {args.early} signals met a program that was loading, {len(broken)} broken (seed {args.seed})")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
