"""The disturbances of inject.py, each with what must follow."""
import glob
import os
import re
import shutil
import signal
import subprocess
import time

from job import COMPLETE_S, WATCHDOG_S, Broken, Job, complete, count_files, hashes, need, phase_of, send

START_S = 60  # the program's limit while it starts


def disturb(args, chance, kind, folder):
    """Starts the run and disturbs it. False: it was complete before."""
    job = Job(args, folder)
    # Seldom while it loads its libraries, which on a loaded machine takes longer than all that follows.
    if chance.random() < 0.8:
        while job.process.poll() is None and " info: " not in job.output():
            time.sleep(0.05)
    began = time.monotonic()
    # Half of the time by the clock, half just after a file has come: that is where files are written.
    pause = chance.uniform(0, max(0.5, 0.6 * (args.whole_seconds - args.startup)))
    by_file, files = chance.random() < 0.5, count_files(folder)
    wanted = chance.randint(1, 12)
    while job.process.poll() is None and time.monotonic() - began < pause:
        if by_file and count_files(folder) >= files + wanted:
            break
        time.sleep(0.005)
    ranks = job.ranks()
    if job.process.poll() is not None or not ranks:
        code = job.wait(COMPLETE_S)
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
    code = job.wait(COMPLETE_S)
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
    code = job.wait(COMPLETE_S)
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
        code = job.wait(COMPLETE_S)
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
        code = job.wait(COMPLETE_S)
        need(code == 71 and "No space left on device" in job.output(), f"full disk of {size} kB: exit code {code}", job)
        subprocess.run(["mount", "-o", "remount,size=200m", place], check=True)
        job = Job(args, folder)
        code = job.wait(COMPLETE_S)
        need(code == 0, f"after a full disk of {size} kB: exit code {code}", job)
        need(hashes(folder) == wanted, f"after a full disk of {size} kB: other bytes", job)
        args.table.add("full", "write", 71)
        return f"full disk ({size} kB)"
    finally:
        subprocess.run(["umount", "--lazy", place], check=False)


def remount_read_only(place):
    """mpirun has ended, but a rank that it killed may still be closing its files."""
    until = time.monotonic() + 10
    while True:
        done = subprocess.run(["mount", "-o", "remount,ro", place], capture_output=True, text=True)
        if done.returncode == 0:
            return
        if time.monotonic() > until:
            raise Broken(f"10 s after the end of a job its files are still open: {done.stderr}")
        time.sleep(0.1)


def read_only(args, chance, wanted):
    """None where no file system can be mounted."""
    place = os.path.join(args.scratch, "locked")
    os.makedirs(place, exist_ok=True)
    if not shutil.which("mount") or subprocess.run(["mount", "-t", "tmpfs", "tmpfs", place], capture_output=True).returncode != 0:
        return None
    try:
        folder = os.path.join(place, "run")
        begun = chance.random() < 0.7 and disturb(args, chance, "kill", folder)
        remount_read_only(place)
        job = Job(args, folder)
        began = time.monotonic()
        code = job.wait(COMPLETE_S)
        seconds = time.monotonic() - began
        if code == 0 and complete(folder):
            return "read-only after the end: nothing to do"
        need(code == 71 and "Read-only file system" in job.output() and place in job.output(), f"read-only: exit code {code}", job)
        subprocess.run(["mount", "-o", "remount,rw", place], check=True)
        job = Job(args, folder)
        code = job.wait(COMPLETE_S)
        need(code == 0, f"after a read-only file system: exit code {code}", job)
        need(hashes(folder) == wanted, "after a read-only file system: other bytes", job)
        args.table.add("readonly", "opening", 71, seconds)
        return "read-only, " + ("in the middle of a run" if begun else "before a run")
    finally:
        subprocess.run(["umount", "--lazy", place], check=False)
