#!/usr/bin/env python3
"""Kills processes of the training of shrink_child.cpp in the midst of their collectives: all that are left end well, with the weights
of a training that nobody disturbed. Standard library only."""
import argparse
import collections
import os
import random
import re
import subprocess
import sys
import tempfile
import time

STEPS = 20


def train(child, ranks, faults, tag, late={}):
    """-> per rank exit code and output. `faults`: what DDLS_FAKE_CUDA says to a rank; `late`: the step whose result it looks at late."""
    with tempfile.TemporaryDirectory(prefix="ddls-shrink-") as folder:
        environment = {**os.environ, "DDLS_FAKE_CUDA_TAG": tag, "DDLS_FAKE_GPUS": "1", "OMP_NUM_THREADS": "1"}
        environment.pop("DDLS_FAKE_CUDA", None)
        processes = []
        for rank in range(ranks):
            own = {"DDLS_FAKE_CUDA": faults[rank]} if rank in faults else {}
            processes.append(subprocess.Popen([child, folder, str(rank), str(ranks), str(STEPS), str(late.get(rank, -1))], env={**environment, **own}, stdout=subprocess.PIPE,
                                              stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True))
        ends, deadline = [], time.monotonic() + 60
        try:
            for process in processes:
                try:
                    output = process.communicate(timeout=max(0.1, deadline - time.monotonic()))[0]
                except subprocess.TimeoutExpired:
                    process.kill()
                    output = process.communicate()[0] + "(it hung)"
                ends.append((process.returncode, output))
        finally:
            for process in processes:
                process.kill()
    return ends


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--child", required=True)
    parser.add_argument("--trainings", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    wrong, kills = [], collections.Counter()
    wanted = None
    for ranks in (1, 2, 3, 4):
        for code, output in train(args.child, ranks, {}, f"{os.getpid()}u{ranks}"):
            match = re.fullmatch(rf"{ranks} left, ([0-9a-f]+)\n", output)
            if code != 0 or not match or match[1] != (wanted or match[1]):
                sys.exit(f"{ranks} undisturbed ranks: exit code {code}, {output!r}, wanted {wanted}")
            wanted = match[1]
    # One rank has the sum of an update and dies in the next, one looks late and takes it for broken, the others are a step ahead of that.
    plan = [(3, {2: "kind=dies,at=6"}, {1: 4}), (4, {0: "kind=dies,at=9"}, {3: 7})]
    # The last update is late for one, who repeats it without those that have it.
    plan += [(2, {}, {1: STEPS - 1}), (3, {2: f"kind=dies,at={STEPS}"}, {0: STEPS - 1})]
    for number in range(args.trainings):
        chance = random.Random(f"{args.seed} {number}")
        ranks = chance.choice((2, 3, 4))
        # A collective of the communicator that it is in then: after a shrink they count anew, so some outlive their fault.
        plan.append((ranks, {rank: f"kind=dies,at={chance.randrange(1, STEPS + 1)}" for rank in chance.sample(range(ranks), chance.randrange(1, ranks))}, {}))
    for number, (ranks, faults, late) in enumerate(plan):
        ends = train(args.child, ranks, faults, f"{os.getpid()}n{number}", late)
        killed = [rank for rank, (code, _) in enumerate(ends) if code == -9]
        kills.update({ranks: len(killed)})
        title = f"{ranks} ranks, {faults}{f', late {late}' if late else ''}: {len(killed)} killed"
        good = bool(killed) == bool(faults) and set(killed) <= set(faults)
        for rank, (code, output) in enumerate(ends):
            if rank not in killed:
                match = re.fullmatch(rf"(\d) left, {wanted}\n", output)
                good = good and code == 0 and match and (int(match[1]) == ranks - len(killed) or STEPS - 1 in late.values())
        print(("ok     " if good else "FAILED ") + title, flush=True)
        if not good:
            wrong.append(title)
            print("".join(f"        | rank {rank}: exit code {code}: {output}\n" for rank, (code, output) in enumerate(ends)))
    print(f"{len(plan)} trainings, {sum(kills.values())} processes killed, {len(wrong)} wrong; all survivors have weights {wanted}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
