"""Sampling outlives its processes: `sample --shard free` in several processes, of which all but one are killed or stopped at random
moments. What is left ends with 0, `sample` puts the blocks together, and the bytes are those of an undisturbed run.

By hand: tests/faults/lost_samplers.py --binary build/ddls_dist --kills 100"""
import argparse
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time

COMPLETE_S = 300  # for one that nothing disturbs: far beyond what a loaded machine takes, only to notice a hang
METHODS = ("generator", "ddls", "mala", "rejection")


def hashes(run):
    found = {}
    for method in METHODS:
        for name in ("samples.npz", "latents.npz", "chains.jsonl"):
            with open(os.path.join(run, "samples", method, name), "rb") as file:
                found[method, name] = hashlib.sha256(file.read()).hexdigest()
    return found


class Samplers:
    """The processes of one round."""

    def __init__(self, args, run, settings):
        command = [args.binary, "sample", "--config", args.config, "--out", run, "--shard", "free", "--log-level", "warning", *settings]
        self.log = open(os.path.join(run, "samplers.log"), "w+")
        self.all = [subprocess.Popen(command, stdout=self.log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL) for _ in range(args.processes)]

    def living(self):
        return [process for process in self.all if process.poll() is None]

    def end(self):
        for process in self.living():
            process.send_signal(signal.SIGKILL)
            process.wait()

    def fail(self, message):
        self.end()
        self.log.seek(0)
        sys.exit(f"{message}\n{self.log.read()}")


def disturb(samplers, chance, args):
    """Kills, or stops, all but one at random moments; returns how many were hit at work. The one that is left has to end with 0."""
    victims = chance.sample(samplers.all, args.processes - 1)
    hit = 0
    for victim in victims:
        time.sleep(chance.uniform(0, args.spread))
        if victim.poll() is not None:
            continue
        victim.send_signal(signal.SIGSTOP if chance.random() < args.stops else signal.SIGKILL)
        hit += 1
    survivor = next(process for process in samplers.all if process not in victims)
    try:
        code = survivor.wait(COMPLETE_S)
    except subprocess.TimeoutExpired:
        samplers.fail("the process that was left hangs")
    if code != 0:
        samplers.fail(f"the process that was left ended with {code}")
    samplers.end()
    return hit


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--scratch", default="lost_samplers")
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--stops", type=float, default=0.1, help="share of them that are stopped (SIGSTOP), which takes ten seconds to notice")
    parser.add_argument("--spread", type=float, default=1.5, help="seconds between two of a round, at most")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()

    shutil.rmtree(args.scratch, ignore_errors=True)
    os.makedirs(args.scratch)
    here = os.path.dirname(os.path.abspath(__file__))
    subprocess.run([sys.executable, os.path.join(here, "..", "e2e", "make_images.py"), os.path.join(args.scratch, "data")], check=True)
    args.config = os.path.join(args.scratch, "small.yaml")
    shutil.copy(os.path.join(here, "small.yaml"), args.config)
    run, whole = (os.path.join(args.scratch, name) for name in ("run", "whole"))
    settings = [f"--set=sample.methods=[{','.join(METHODS)}]", "--set=sample.count=240", "--set=sample.block_size=6", "--set=sample.checkpoint_every=10",
                "--set=sample.ddls.steps=120", "--set=sample.mala.steps=60", "--set=sample.mala.warmup=5", "--set=sample.rejection.budget=20",
                "--set=sample.rejection.pilots=200", "--set=sample.snapshot_every=0", "--set=sample.allow_bad_energy=true"]
    quiet = {"stdout": subprocess.DEVNULL, "check": True, "timeout": COMPLETE_S}
    base = ["--config", args.config, "--log-level", "warning", *settings]
    subprocess.run([args.binary, "train", *base, "--out", run], **quiet)
    shutil.copytree(run, whole)
    subprocess.run([args.binary, "sample", *base, "--out", whole], **quiet)
    right = hashes(whole)

    chance = random.Random(args.seed)
    kills = rounds = 0
    while kills < args.kills:
        shutil.rmtree(os.path.join(run, "samples"), ignore_errors=True)
        samplers = Samplers(args, run, settings)
        kills += disturb(samplers, chance, args)
        rounds += 1
        if rounds > 4 * args.kills:
            samplers.fail("processes end before they can be hit")
        subprocess.run([args.binary, "sample", *base, "--out", run], **quiet)
        if hashes(run) != right:
            samplers.fail(f"round {rounds}: other bytes than an undisturbed run")
        print(f"round {rounds}: {kills} of {args.kills} hit, bytes right", flush=True)
    shutil.rmtree(args.scratch)


main()
