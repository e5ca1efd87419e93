#!/usr/bin/env python3
"""Disturbs a job of 2 to 4 ranks over the NCCL channel, and looks how it ends: message, exit code, time, what every rank kept of its
collectives, and that no process is left behind. GPUs, streams and NCCL are fakes (fake_cuda.hpp). Standard library only."""
import argparse
import collections
import concurrent.futures
import glob
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

LIMIT = 2.0  # the watchdog's, in seconds
LAUNCHER = 3.0  # mpirun notices, sends SIGTERM, then SIGKILL, and ends
TELL = 1.0  # the others hear it and write what they keep
ABORT = 5.0  # what an ncclCommAbort that hangs is given
HUNG = r"rank \d hung in (all_reduce|broadcast) #\d+, .*\(longer than 2 s\)"
ALL, OTHERS, NONE = "all", "others", "none"  # whose collectives are on disk

# kind: fault ({r}: rank, {at}: collective), what the host does, exit code, message, seconds from the start of collectives, whose calls
KINDS = {
    "never": ("kind=never,rank={r},at={at}", "", 71, HUNG, LIMIT + TELL, ALL),
    "never on every rank": ("kind=never,at={at}", "", 71, HUNG, LIMIT + TELL, ALL),
    "never, abort hangs": ("kind=never,rank={r},at={at},abort_hangs=1", "", 71, HUNG, LIMIT + TELL + ABORT, ALL),
    "async error": ("kind=async_error,rank={r},at={at}", "", 71, r"rank {r}: NCCL: remote process exited or there was a network error", TELL, ALL),
    "async error, abort hangs": ("kind=async_error,rank={r},at={at},abort_hangs=1", "", 71, r"rank {r}: NCCL: remote process exited", TELL + ABORT, ALL),
    "async error on every rank": ("kind=async_error,at={at}", "", 71, r"rank \d: NCCL: remote process exited", TELL, ALL),
    "device error": ("kind=device_error,rank={r},at={at}", "", 71, r"an illegal memory access was encountered", TELL, OTHERS),
    "device error, abort hangs": ("kind=device_error,rank={r},at={at},abort_hangs=1", "", 71, r"an illegal memory access was encountered", TELL + ABORT, OTHERS),
    "call error": ("kind=call_error,rank={r},at={at}", "", 71, r"rank {r} of \d, (all_reduce|broadcast) #\d+ of .*: NCCL: unhandled cuda error", TELL, OTHERS),
    "call hangs": ("kind=call_hangs,rank={r},at={at}", "", 71, HUNG, LIMIT + TELL, ALL),
    "call hangs, abort hangs": ("kind=call_hangs,rank={r},at={at},abort_hangs=1", "", 71, HUNG, LIMIT + TELL + ABORT, ALL),
    "far too slow": ("kind=slow,rank={r},at={at},ms=60000", "", 71, HUNG, LIMIT + TELL, ALL),
    "slow": ("kind=slow,rank={r},at={at},ms=40", "", 0, r"^a good end", 10, NONE),
    "dies": ("kind=dies,rank={r},at={at}", "", 137, r"signal 9", TELL, OTHERS),
    "stops": ("kind=stops,rank={r},at={at}", "", 71, r"gave no sign of life for|" + HUNG, LIMIT + TELL, None),
    "init fails": ("kind=init_error,rank={r}", "", 71, r"ncclCommInitRankConfig failed: unhandled system error", None, None),
    "init fails, a long limit": ("kind=init_error,rank={r}", "", 71, r"ncclCommInitRankConfig failed: unhandled system error", None, None),
    "init never ends": ("kind=init_never,rank={r}", "", 71, r"hung in connect_nccl #\d+", None, None),
    "init is slow": ("kind=init_slow,rank={r},ms=700", "", 0, r"^a good end", None, NONE),
    "dies in init": ("kind=init_dies,rank={r}", "", 137, r"signal 9", None, None),
    "old NCCL": ("kind=old_version", "", 71, r"NCCL 21803 is loaded, but the program was built with \d+", None, NONE),
    "no id": ("kind=id_error", "", 71, r"NCCL: unhandled system error", None, NONE),
    "no stream": ("kind=stream_error,rank={r}", "", 71, r"CUDA: cudaErrorMemoryAllocation: out of memory", None, NONE),
    "finalize fails": ("kind=finalize_error,rank={r}", "", 0, r"closing NCCL: NCCL: unhandled system error", LIMIT + 10, NONE),
    "finalize never ends": ("kind=finalize_never,rank={r}", "", 0, r"closing NCCL: not done after 2 s", LIMIT + 10, NONE),
    "host hangs": ("", "host_hangs", 71, r"rank {last} on .* is alive but has not come", LIMIT + TELL, ALL),
    "host hangs, abort hangs": ("abort_hangs=1", "host_hangs", 71, r"rank {last} on .* is alive but has not come", LIMIT + TELL + ABORT, ALL),
    "host throws": ("", "host_throws", 71, r"the disk is full", TELL, None),
    "host stops": ("", "host_stops", 71, r"rank {last} on .* gave no sign of life for|" + HUNG, LIMIT + TELL, None),
    "host calls something else": ("differ_hangs=1", "host_differs", 71, r"ranks make different collectives, at first call #\d+: rank 0: .*, rank {last}: broadcast with root {last} of 1000 float32", LIMIT + TELL, ALL),
}
LIMITS = {"init fails, a long limit": 600.0}  # of the watchdog, where it is another one


def left_behind(tag):
    found = []
    for path in glob.glob("/proc/[0-9]*/environ"):
        try:
            with open(path, "rb") as file:
                if f"DDLS_FAKE_CUDA_TAG={tag}".encode() in file.read().split(b"\0"):
                    found.append(int(path.split("/")[2]))
        except OSError:
            pass  # it has ended, or is somebody else's
    return found


def inject(args, number, kind):
    chance = random.Random(f"{args.seed} {number} {kind}")
    ranks = chance.choice((2, 2, 3, 4))
    values = {"r": chance.randrange(ranks), "at": chance.randrange(1, 45), "last": ranks - 1}  # 12 steps of 4 collectives
    fault, way, code, message, seconds, kept = KINDS[kind]
    fault, message = fault.format(**values), re.sub(r"\{(r|last)\}", lambda m: str(values[m[1]]), message)
    tag, folder = f"{os.getpid()}n{number}", tempfile.mkdtemp(prefix="ddls-nccl-faults-")
    environment = {**os.environ, "DDLS_FAKE_CUDA": fault, "DDLS_FAKE_CUDA_TAG": tag, "DDLS_FAKE_GPUS": str(ranks), "DDLS_TEST_CALLS": folder, "OMP_NUM_THREADS": "1"}
    command = [args.mpirun, "--bind-to", "none", "--oversubscribe", "-np", str(ranks), args.child, str(LIMITS.get(kind, LIMIT)), way]
    begun, started, output, wrong = time.monotonic(), None, [], []
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True, env=environment, start_new_session=True)
    killer = threading.Timer(90, lambda: os.killpg(process.pid, 9))
    killer.start()
    for line in process.stdout:
        output.append(line)
        if line.startswith("started"):
            started = time.monotonic()
    found_code = process.wait()
    ended = time.monotonic()
    killer.cancel()
    text = "".join(output)
    if found_code != code:
        wrong.append(f"exit code {found_code}, wanted {code}")
    if not re.search(message, text, re.MULTILINE):
        wrong.append(f"no message like '{message}'")
    took = ended - (started if started is not None and seconds is not None else begun)
    limit = (seconds if seconds is not None else args.start_seconds + LIMIT + TELL) + LAUNCHER + args.slack
    if took > limit:
        wrong.append(f"it took {took:.1f} s, wanted {limit:.1f}")
    files = {int(re.search(r"rank(\d+)", name)[1]) for name in glob.glob(os.path.join(folder, "collectives.rank*.json"))}
    wanted = {ALL: set(range(ranks)), NONE: set()}.get(kept)
    if wanted is not None and files != wanted or kept == OTHERS and not set(range(ranks)) - files <= {values["r"]}:
        wrong.append(f"collectives of ranks {sorted(files)} were kept")
    for _ in range(20):
        left = left_behind(tag)
        if not left:
            break
        time.sleep(0.1)
    if left:
        wrong.append(f"processes {left} are left behind")
        for pid in left:  # they bear this injection's tag
            os.kill(pid, 9)
    shutil.rmtree(folder)
    for name in glob.glob(f"/dev/shm/ddls-fake-nccl-{tag}-*"):
        os.remove(name)
    return kind, f"{kind} ({ranks} ranks, {fault or way})", wrong, took, found_code, text


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--child", required=True)
    parser.add_argument("--mpirun", default="mpirun")
    parser.add_argument("--injections", type=int, default=len(KINDS))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=3)
    parser.add_argument("--only", help="kinds that begin so")
    parser.add_argument("--slack", type=float, default=3, help="seconds that a busy machine may add")
    parser.add_argument("--start-seconds", type=float, default=15, help="for what fails before collectives begin: the start of the programs")
    args = parser.parse_args()
    names = [kind for kind in KINDS if not args.only or kind.startswith(args.only)]
    plan = [(number, names[number % len(names)]) for number in range(args.injections)]
    begun, broken = time.monotonic(), 0
    rows = collections.defaultdict(list)
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for kind, title, wrong, took, code, text in pool.map(lambda item: inject(args, *item), plan):
            print(f"{'FAILED' if wrong else 'ok    '} {title}: {took:.1f} s, exit code {code}" + "".join(f"; {one}" for one in wrong), flush=True)
            if wrong:
                broken += 1
                print("".join("        | " + line + "\n" for line in text.splitlines()[-40:]), flush=True)
            rows[kind].append((took, code))
    print("\n| kind | injections | latest end | exit codes |\n|---|--:|--:|---|")
    for kind, found in rows.items():
        codes = collections.Counter(code for _, code in found)
        print(f"| {kind} | {len(found)} | {max(took for took, _ in found):.1f} s | {', '.join(f'{code} x {n}' for code, n in codes.items())} |")
    print(f"\n{len(plan)} injections, {broken} broken, {time.monotonic() - begun:.0f} s")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
