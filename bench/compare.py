#!/usr/bin/env python3
"""Ours and PyTorch in turn, on the same cores: bench/compare.sh training, bench/compare.sh sampler.

Every round starts both once, so that a slow spell of the machine falls on both. Prints a table of medians and ratios,
and one JSON object with --json. The opponent of a ratio is named: the best variant of PyTorch, unless said.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TRAINING = {"sn_dcgan": ("configs/cifar10-sndcgan.yaml", 64, 64, 1), "sn_resnet": ("configs/cifar10-sngan.yaml", 64, 128, 5)}
SAMPLER = {"sn_resnet": ("configs/cifar10-sngan.yaml", 64), "sn_dcgan": ("configs/cifar10-sndcgan.yaml", 64),
           "biggan": ("configs/cifar10-biggan.yaml", 64), "mlp": ("configs/gaussians25-paper.yaml", 500)}
FLOAT32_ONLY = {"mlp"}  # points, whose configuration refuses bfloat16


def environment(**more):
    return {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive", "OMPI_ALLOW_RUN_AS_ROOT": "1",
            "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", **{k: str(v) for k, v in more.items()}}


def ours(bench, config, ranks, steps, settings):
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        command = ["mpirun", "-np", str(ranks), "--bind-to", "none", os.path.join(ROOT, "build/ddls_dist"), "bench",
                   bench, "--config", os.path.join(ROOT, config), "--warmup", "1", "--rounds", "1", "--steps", str(steps),
                   "--json", out.name]
        for item in settings:
            command += ["--set", item]
        subprocess.run(command, env=environment(), check=True, stdout=subprocess.DEVNULL)
        return json.load(open(out.name))


def torch(script, ranks, arguments):
    wheel = os.environ.get("DDLS_WHEEL_DIR", os.path.join(ROOT, ".deps/python"))
    processes = []
    for rank in range(ranks):
        env = environment(RANK=rank, WORLD_SIZE=ranks, MASTER_ADDR="127.0.0.1", MASTER_PORT=29571, PYTHONPATH=wheel)
        processes.append(subprocess.Popen(
            [sys.executable, os.path.join(ROOT, "bench", script), "--warmup", "1", "--rounds", "1",
             *map(str, arguments)], env=env, stdout=subprocess.PIPE, text=True))
    outputs = [p.communicate()[0] for p in processes]
    if any(p.returncode for p in processes):
        sys.exit("the PyTorch opponent failed")
    return json.loads(outputs[0])


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def training_row(a, model, ranks):
    config, batch, generator_batch, d_steps = TRAINING[model]
    settings = [f"train.batch={batch}", f"train.generator_batch={generator_batch}",
                f"train.discriminator_steps={d_steps}", "train.shards=0", f"train.precision={a.precision}"]
    arguments = ["--model", model, "--batch", batch, "--generator-batch", generator_batch, "--discriminator-steps",
                 d_steps, "--steps", a.steps, *(["--bfloat16"] if a.precision == "bfloat16" else [])]
    runs = {"ours": [], "torch": [], "torch channels-last": []}
    for _ in range(a.rounds):
        runs["ours"].append(ours("training", config, ranks, a.steps, settings))
        runs["torch"].append(torch("torch_training.py", ranks, arguments))
        runs["torch channels-last"].append(torch("torch_training.py", ranks, [*arguments, "--channels-last"]))
    rate = {k: statistics.median(r["images_per_second"]["median"] for r in v) for k, v in runs.items()}
    memory = {k: max(r["peak_resident_mib"] for r in v) for k, v in runs.items()}
    best = max(("torch", "torch channels-last"), key=rate.get)
    print(f"{model} x {ranks}: ours {rate['ours']:.1f} images/s, {best} {rate[best]:.1f}, "
          f"ratio {rate['ours'] / rate[best]:.2f}; memory {memory['ours']:.0f} and {memory[best]:.0f} MiB", flush=True)
    return {"model": model, "ranks": ranks, "precision": a.precision, "images_per_second": rate,
            "peak_resident_mib": memory, "opponent": best, "ratio": rate["ours"] / rate[best]}


def sampler_row(a, model):
    config, batch = SAMPLER[model]
    steps = a.steps * (20 if model == "mlp" else 1)
    arguments = ["--model", model, "--batch", batch, "--steps", steps,
                 *(["--bfloat16"] if a.precision == "bfloat16" else [])]
    rates, fractions = {}, []
    for _ in range(a.rounds):
        run = ours("sampler", config, 1, steps, [f"sample.block_size={batch}", f"sample.precision={a.precision}"])
        rates.setdefault("ours", []).append(run["chain_steps_per_second"]["median"])
        fractions.append(run["fraction_of_peak"])
        theirs = torch("torch_sampling.py", 1, arguments)
        for variant, rate in theirs["chain_steps_per_second"].items():
            rates.setdefault(variant, []).append(rate["median"])
    rate = {k: spread(v) for k, v in rates.items()}
    # Of each round, then the median: the rounds' own conditions cancel.
    ratios = {k: spread([x / y for x, y in zip(rates["ours"], v)]) for k, v in rates.items() if k != "ours"}
    best = max(ratios, key=lambda k: rate[k]["median"])
    for variant, r in rate.items():
        against = "" if variant == "ours" else "   ours is {median:.2f} times that ({min:.2f} to {max:.2f})".format(
            **ratios[variant])
        print(f"{model:9} {variant:14} {r['median']:10.1f} chain-steps/s ({r['min']:.1f} to {r['max']:.1f}){against}")
    print(f"{model:9} best opponent: {best}; ours at {100 * statistics.median(fractions):.0f} % of the product rate, in "
          "FLOPs of the plain form", flush=True)
    return {"model": model, "batch": batch, "precision": a.precision, "rounds": a.rounds, "steps": steps,
            "chain_steps_per_second": rate, "ratios": ratios, "opponent": best, "fraction_of_peak": spread(fractions)}


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    what = p.add_subparsers(dest="what", required=True)
    commands = {}
    for name, models, rounds, steps in (("training", TRAINING, 3, 2), ("sampler", SAMPLER, 5, 2)):
        s = commands[name] = what.add_parser(name)
        s.add_argument("--models", nargs="+", choices=models, help="default: all that the precision is for")
        s.add_argument("--rounds", type=int, default=rounds)
        s.add_argument("--steps", type=int, default=steps, help="of one measurement")
        s.add_argument("--json")
        if name == "training":
            s.add_argument("--ranks", nargs="+", type=int, default=[1, 2])
        s.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    a = p.parse_args()
    models = {"training": TRAINING, "sampler": SAMPLER}[a.what]
    possible = [m for m in models if a.precision == "float32" or m not in FLOAT32_ONLY]
    for model in a.models or []:
        if model not in possible:
            commands[a.what].error(f"{model} runs in float32 only")
    a.models = a.models or possible
    if a.what == "training":
        rows = [training_row(a, model, ranks) for model in a.models for ranks in a.ranks]
    else:
        rows = [sampler_row(a, model) for model in a.models]
    if a.json:
        json.dump(rows, open(a.json, "w"), indent=1)


if __name__ == "__main__":
    main()
