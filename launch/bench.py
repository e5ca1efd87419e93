#!/usr/bin/env python3
"""Our training step and PyTorch DistributedDataParallel's in turn, on the same cores: launch/bench.sh training.

Every round starts both once, so that a slow spell of the machine falls on both. Prints a table of medians and ratios,
and one JSON object with --json. The opponent is the better of plain and channels-last PyTorch.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
RECIPES = {"sn_dcgan": ("configs/cifar10-sndcgan.yaml", 64, 64, 1), "sn_resnet": ("configs/cifar10-sngan.yaml", 64, 128, 5)}


def environment(**more):
    return {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive", "OMPI_ALLOW_RUN_AS_ROOT": "1",
            "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", **{k: str(v) for k, v in more.items()}}


def ours(model, ranks, steps, extra):
    config, batch, generator_batch, d_steps = RECIPES[model]
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        command = ["mpirun", "-np", str(ranks), "--bind-to", "none", os.path.join(ROOT, "build/ddls_dist"), "bench",
                   "training", "--config", os.path.join(ROOT, config), "--set", f"train.batch={batch}",
                   "--set", f"train.generator_batch={generator_batch}", "--set", f"train.discriminator_steps={d_steps}",
                   "--set", "train.shards=0", "--warmup", "1", "--rounds", "1", "--steps", str(steps), "--json", out.name]
        for item in extra:
            command += ["--set", item]
        subprocess.run(command, env=environment(), check=True, stdout=subprocess.DEVNULL)
        return json.load(open(out.name))


def torch(model, ranks, steps, flags):
    _, batch, generator_batch, d_steps = RECIPES[model]
    wheel = os.environ.get("DDLS_WHEEL_DIR", os.path.join(ROOT, ".deps/python"))
    processes = []
    for rank in range(ranks):
        env = environment(RANK=rank, WORLD_SIZE=ranks, MASTER_ADDR="127.0.0.1", MASTER_PORT=29571, PYTHONPATH=wheel)
        processes.append(subprocess.Popen(
            [sys.executable, os.path.join(ROOT, "launch/bench_training.py"), "--model", model, "--batch", str(batch),
             "--generator-batch", str(generator_batch), "--discriminator-steps", str(d_steps), "--warmup", "1",
             "--rounds", "1", "--steps", str(steps), *flags], env=env, stdout=subprocess.PIPE, text=True))
    outputs = [p.communicate()[0] for p in processes]
    if any(p.returncode for p in processes):
        sys.exit("the PyTorch opponent failed")
    return json.loads(outputs[0])


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--models", nargs="+", choices=RECIPES, default=list(RECIPES))
    p.add_argument("--ranks", nargs="+", type=int, default=[1, 2])
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--steps", type=int, default=2)
    p.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    p.add_argument("--json")
    a = p.parse_args()
    half = ["--bfloat16"] if a.precision == "bfloat16" else []
    rows = []
    for model in a.models:
        for ranks in a.ranks:
            runs = {"ours": [], "torch": [], "torch channels-last": []}
            for _ in range(a.rounds):
                runs["ours"].append(ours(model, ranks, a.steps, [f"train.precision={a.precision}"]))
                runs["torch"].append(torch(model, ranks, a.steps, half))
                runs["torch channels-last"].append(torch(model, ranks, a.steps, [*half, "--channels-last"]))
            rate = {k: statistics.median(r["images_per_second"]["median"] for r in v) for k, v in runs.items()}
            memory = {k: max(r["peak_resident_mib"] for r in v) for k, v in runs.items()}
            best = max(("torch", "torch channels-last"), key=rate.get)
            rows.append({"model": model, "ranks": ranks, "precision": a.precision, "images_per_second": rate,
                         "peak_resident_mib": memory, "opponent": best, "ratio": rate["ours"] / rate[best]})
            print(f"{model} x {ranks}: ours {rate['ours']:.1f} images/s, {best} {rate[best]:.1f}, "
                  f"ratio {rows[-1]['ratio']:.2f}; memory {memory['ours']:.0f} and {memory[best]:.0f} MiB", flush=True)
    if a.json:
        json.dump(rows, open(a.json, "w"), indent=1)


main()
