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
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time

from kinds import clock_jump, damage, disturb, full_disk, go_on_after_damage, missing_host, missing_rank, read_only
from job import COMPLETE_S, Broken, Job, hashes, need
from table import Table

NEEDS = {"full": "no right to mount", "readonly": "no right to mount", "clock": "no libfaketime", "host": "no ssh"}


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
        return Injector(args).all()
    finally:
        if own:
            shutil.rmtree(args.scratch, ignore_errors=True)


class Injector:
    """Disturbs run after run in one folder; each must complete with the bytes of the undisturbed one."""

    def __init__(self, args):
        self.args, self.chance = args, random.Random(args.seed)
        self.kinds = args.kinds.split(",")
        self.folder = os.path.join(args.scratch, "cut")
        shutil.rmtree(self.folder, ignore_errors=True)
        self.done, self.broken, self.runs = collections.Counter(), [], 0
        self.wanted = self.undisturbed()
        self.elsewhere = {"full": lambda: full_disk(args, self.chance, self.wanted), "readonly": lambda: read_only(args, self.chance, self.wanted),
                          "clock": self.clock_jump, "host": lambda: missing_host(args, self.folder)}

    def undisturbed(self):
        args, here = self.args, os.path.dirname(os.path.abspath(__file__))
        subprocess.run([sys.executable, os.path.join(here, "..", "e2e", "make_images.py"), os.path.join(args.scratch, "data")], check=True)
        args.config = os.path.join(args.scratch, "small.yaml")
        shutil.copy(os.path.join(here, "small.yaml"), args.config)
        whole = os.path.join(args.scratch, "whole")
        shutil.rmtree(whole, ignore_errors=True)
        start = time.monotonic()
        job = Job(args, whole)
        need(job.wait(COMPLETE_S) == 0, "the undisturbed run", job)
        args.whole_seconds = time.monotonic() - start
        args.whole_kib = sum(os.path.getsize(os.path.join(r, f)) for r, _, files in os.walk(whole) for f in files) // 1024
        args.startup = min(1.0, args.whole_seconds / 4)
        args.latest, args.early, args.table = 0.0, 0, Table()
        wanted = hashes(whole)
        if len(wanted) < 9:
            raise SystemExit(f"the undisturbed run left only {sorted(wanted)}")
        print(f"undisturbed: {args.whole_seconds:.1f} s, {args.whole_kib} kB, {len(wanted)} files to compare", flush=True)
        return wanted

    def count(self):
        return sum(self.done.values())

    def check_complete(self, what):
        found = hashes(self.folder)
        if found != self.wanted:
            other = sorted(k for k in self.wanted if found.get(k) != self.wanted[k])
            raise Broken(f"{what}: complete, but with other bytes: {', '.join(other)}")
        self.runs += 1
        shutil.rmtree(self.folder)

    def clock_jump(self):
        what = clock_jump(self.args, self.chance, self.folder)
        if what is not None:
            self.check_complete(what)
        return what

    def damage(self):
        while not (what := damage(self.chance, self.folder)):
            if not disturb(self.args, self.chance, "kill", self.folder):
                self.check_complete("kill")
        self.args.table.add("damage", "between", go_on_after_damage(self.args, self.folder, what))
        self.check_complete(what)
        return what

    def disturb(self, kind):
        """None: the run was over before."""
        before = self.args.table.phases[kind].total()
        if not disturb(self.args, self.chance, kind, self.folder):
            self.check_complete("a run that was disturbed before")
        return kind if self.args.table.phases[kind].total() > before else None

    def once(self, kind):
        """What was done; None: nothing that counts."""
        if kind in self.elsewhere:
            what = self.elsewhere[kind]()
            if what is None:
                print(f"{kind}: not possible here ({NEEDS[kind]}); left out", flush=True)
                self.kinds.remove(kind)
            return what
        if kind == "missing":
            missing_rank(self.args, self.folder)
            return kind
        return self.damage() if kind == "damage" else self.disturb(kind)

    def all(self):
        missed = 0
        while self.count() < self.args.injections:
            if missed > 50:
                raise SystemExit("50 disturbances in a row came when the run was over: the harness does not see the ranks")
            kind = self.kinds[self.count() % len(self.kinds)] if self.count() < len(self.kinds) else self.chance.choice(self.kinds)
            try:
                what = self.once(kind)
                if what is None:
                    missed += kind in self.kinds
                    continue
                missed = 0
                self.done[kind] += 1
                print(f"{self.count():>4} ok      {what}", flush=True)
            except Broken as error:
                self.done[kind] += 1
                self.broken.append(str(error))
                print(f"{self.count():>4} BROKEN  {kind}: {error}", flush=True)
                shutil.rmtree(self.folder, ignore_errors=True)
        self.finish()
        print(self.args.table.text())
        kinds = ", ".join(f"{k} {n}" for k, n in sorted(self.done.items()))
        print(f"{self.count()} injections ({kinds}), {self.runs} runs completed with the right bytes, latest end {self.args.latest:.1f} s after a signal, "
              f"{self.args.early} signals met a program that was loading, {len(self.broken)} broken (seed {self.args.seed})")
        return 1 if self.broken else 0

    def finish(self):
        """The last run to its end."""
        for _ in range(3):
            if not os.path.exists(self.folder):
                return
            try:
                job = Job(self.args, self.folder)
                code = job.wait(COMPLETE_S)
                need(code == 0, f"the last start ended with {code}", job)
                self.check_complete("the last run")
            except Broken as error:
                self.broken.append(str(error))
                print(f"BROKEN  {error}", flush=True)
                return


if __name__ == "__main__":
    sys.exit(main())
