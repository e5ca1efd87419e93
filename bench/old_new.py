#!/usr/bin/env python3
"""Two builds of the program in turn, on the same cores: does anything get slower? bench/old_new.py OLD_BINARY NEW_BINARY [--rounds 3]

Every round starts both once for each benchmark, the one that was first is second in the next round. The configurations are those of
OLD's checkout (--configs), so that both do the same work. Prints the median ratio of the rounds (above 1: NEW is faster), least to
greatest, and one JSON object with --json."""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

from compare import environment

# name: ranks, what, configuration, settings, options
TRAINING = ["--set", "train.shards=0"]
BENCHES = {
    "training SN-DCGAN 32": (1, "training", "cifar10-sndcgan.yaml", [*TRAINING, "--set", "train.batch=64"], ["--steps", "2"]),
    "training SN-DCGAN 32, 2 ranks": (2, "training", "cifar10-sndcgan.yaml", [*TRAINING, "--set", "train.batch=64"], ["--steps", "3"]),
    "training SN-DCGAN 32, 2 ranks, exact sums": (2, "training", "cifar10-sndcgan.yaml", ["--set", "train.batch=64"], ["--steps", "3"]),
    "training SN-DCGAN 32, bfloat16": (1, "training", "cifar10-sndcgan.yaml", [*TRAINING, "--set", "train.batch=64", "--set", "train.precision=bfloat16"], ["--steps", "4"]),
    "training SN-ResNet 32, 2 ranks": (2, "training", "cifar10-sngan.yaml", [*TRAINING, "--set", "train.batch=64", "--set", "train.generator_batch=128"], ["--steps", "1"]),
    "training DCGAN, Fashion-MNIST, 2 ranks": (2, "training", "fashion_mnist.yaml", [], ["--steps", "20"]),
    "training perceptrons": (1, "training", "gaussians25.yaml", [], ["--steps", "200"]),
    "chain-steps SN-DCGAN 32": (1, "sampler", "cifar10-sndcgan.yaml", ["--set", "sample.block_size=64"], ["--steps", "3"]),
    "chain-steps SN-DCGAN 32, bfloat16": (1, "sampler", "cifar10-sndcgan.yaml", ["--set", "sample.block_size=64", "--set", "sample.precision=bfloat16"], ["--steps", "5"]),
    "chain-steps SN-ResNet 32": (1, "sampler", "cifar10-sngan.yaml", ["--set", "sample.block_size=64"], ["--steps", "1"]),
    "chain-steps BigGAN 32": (1, "sampler", "cifar10-biggan.yaml", ["--set", "sample.block_size=64"], ["--steps", "1"]),
    "chain-steps perceptrons": (1, "sampler", "gaussians25-paper.yaml", ["--set", "sample.block_size=500"], ["--steps", "60"]),
    "data, images/s": (1, "data", "cifar10-sndcgan.yaml", [], ["--steps", "400"]),
    "collectives, 2 ranks": (2, "collectives", "cifar10-sndcgan.yaml", [], []),
    "evaluation": (1, "evaluation", "cifar10-sndcgan.yaml", [], []),
}


def numbers(value, path=""):
    """Every median of the answer, by its path."""
    if isinstance(value, dict):
        if "median" in value:
            yield path, value["median"]
        elif "algbw" in value:
            yield f"GB/s of {value['bytes']} bytes", value["algbw"]
        else:
            for key, inner in value.items():
                yield from numbers(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from numbers(inner, f"{path}.{i}")


def run(binary, args, bench):
    ranks, what, config, settings, options = BENCHES[bench]
    if what == "data":
        settings = [word for item in args.data for word in ("--set", item)]
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        command = ["mpirun", "-np", str(ranks), "--bind-to", "none", "--oversubscribe", binary, "bench", what, "--config", os.path.join(args.configs, config),
                   "--warmup", "1", "--rounds", "1", *options, *settings, "--json", out.name]
        done = subprocess.run(command, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if done.returncode != 0:
            return {"": [line for line in done.stderr.splitlines() if "error: " in line][:1]}
        return dict(numbers(json.load(open(out.name))))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("old")
    parser.add_argument("new")
    parser.add_argument("--configs", required=True)
    parser.add_argument("--data", nargs="+", default=[], metavar="KEY=VALUE", help="settings that name the data of the benchmark of data")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="")
    parser.add_argument("--json")
    args = parser.parse_args()
    answer, failures = {}, []
    for bench in BENCHES:
        if args.only not in bench:
            continue
        ratios, rates = {}, {}
        for round_number in range(args.rounds):
            found = {}
            for which in ("old", "new") if round_number % 2 == 0 else ("new", "old"):
                found[which] = run(getattr(args, which), args, bench)
            for which in ("old", "new"):
                if "" in found[which]:
                    failures.append(bench)
                    print(f"{bench}: {which} failed: {found[which]['']}", flush=True)
            for key in found["old"].keys() & found["new"].keys():
                if key and found["old"][key]:
                    ratios.setdefault(key, []).append(found["new"][key] / found["old"][key])
                    rates.setdefault(key, []).append((found["old"][key], found["new"][key]))
        for key, values in sorted(ratios.items()):
            old, new = (statistics.median(r[i] for r in rates[key]) for i in (0, 1))
            print(f"{bench}: {key}: {old:.4g} and {new:.4g}, ratio {statistics.median(values):.3f} ({min(values):.3f} to {max(values):.3f})", flush=True)
            answer[f"{bench}: {key}"] = {"old": old, "new": new, "ratios": values}
    if args.json:
        json.dump(answer, open(args.json, "w"), indent=1)
    return 1 if failures or not answer else 0


if __name__ == "__main__":
    sys.exit(main())
