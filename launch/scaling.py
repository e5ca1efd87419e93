#!/usr/bin/env python3
"""What launch/scaling.sh runs: `ddls_dist bench` at several rank counts, in turns. Standard library only."""
import argparse
import csv
import itertools
import json
import math
import os
import shlex
import statistics
import subprocess
import sys
import tempfile

import scaling_model

COLOURS = {"training": "#1f77b4", "sampling": "#d62728", "evaluation": "#2ca02c"}
KINDS = ("weak", "strong")


def launcher(args, ranks):
    """What starts so many ranks on as few nodes as they need: srun would spread them over the whole allocation."""
    words = [*shlex.split(args.mpi), "-n", str(ranks)]
    if os.path.basename(words[0]) == "srun":
        per_node = int(os.environ.get("SLURM_NTASKS", "1")) // int(os.environ.get("SLURM_NNODES", "1"))
        return [*words, "-N", str(math.ceil(ranks / max(per_node, 1)))]
    return words + (["--oversubscribe"] if ranks > args.cores and "SLURM_JOB_ID" not in os.environ else [])


def bench(args, what, ranks, steps, settings):
    """One `ddls_dist bench` at so many ranks: the JSON that it writes."""
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(args.out, ".bench.json")  # a folder that rank 0 sees, wherever it runs
        command = [*launcher(args, ranks), args.binary, "bench", what, "--warmup", "1",
                   "--rounds", "1", "--log-level", "warning", "--json", out]
        if what != "collectives":
            command += ["--config", args.config, "--steps", str(steps)]
        for setting in settings:
            command += ["--set", setting]
        with open(os.path.join(folder, "log"), "w+") as log:
            if subprocess.run(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL).returncode != 0:
                log.seek(0)
                sys.exit(f"scaling: this failed:\n  {shlex.join(command)}\n{log.read()[-2000:]}")
        with open(out) as file:
            result = json.load(file)
        os.remove(out)
        return result


def buckets(parameters, first=1 << 20, size=25 << 20):
    """How many all-reduces the overlapped reducer makes of so many float32 gradients."""
    return 1 + max(0, math.ceil((4 * parameters - first) / size))


def measure(args, what, kind, ranks):
    """Seconds of one unit of work; and what it sends."""
    total = args.rank_batch * (ranks if kind == "weak" else max(args.ranks))
    if what == "training":
        r = bench(args, "training", ranks, args.steps, [*args.set, f"train.batch={total}", f"train.generator_batch={total}", "train.shards=0"])
        d_steps, d, g = r["discriminator_steps"], r["discriminator_parameters"], r["generator_parameters"]
        return {"seconds": total * d_steps / r["images_per_second"]["median"], "rate": r["images_per_second"]["median"],
                "unit": "images/s", "messages": d_steps * buckets(d) + buckets(g), "bytes": 4 * (d_steps * d + g)}
    if what == "sampling":
        per_rank = total // ranks
        r = bench(args, "sampler", ranks, args.steps, [*args.set, f"sample.block_size={per_rank}"])
        rate = r["chain_steps_per_second"]["median"]
        return {"seconds": per_rank * ranks / rate, "rate": rate, "unit": "chain steps/s", "messages": 0, "bytes": 0}
    batch = args.rank_batch
    steps = args.steps * (ranks if kind == "weak" else max(args.ranks))
    r = bench(args, "evaluation", ranks, steps, [*args.set, f"evaluate.batch={batch}", f"evaluate.metrics={args.metrics}"])
    features = r["features"]  # their covariance in float64 is what travels
    return {"seconds": steps * batch / r["images_per_second"]["median"], "rate": r["images_per_second"]["median"],
            "unit": "images/s", "messages": 3, "bytes": 8 * features * (features + 2)}


def svg(studies, path):
    """Efficiency over ranks, weak beside strong, with the ideal."""
    width, height, left, top, gap = 420, 300, 60, 40, 60
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{2 * width + gap + 2 * left}" height="{height + 2 * top + 40}" '
           'font-family="sans-serif" font-size="12">', '<rect width="100%" height="100%" fill="white"/>']
    ranks = sorted({p["ranks"] for s in studies.values() for p in s["points"]})
    span = math.log2(ranks[-1] / ranks[0]) or 1.0
    highest = max([1.1] + [p["efficiency"] for s in studies.values() for p in s["points"]])
    for panel, kind in enumerate(KINDS):
        x0 = left + panel * (width + gap)
        x_of = lambda n: x0 + 20 + (width - 40) * math.log2(n / ranks[0]) / span
        y_of = lambda e: top + height * (1 - e / highest)
        out.append(f'<text x="{x0 + width / 2}" y="{top - 15}" text-anchor="middle" font-size="14">{kind} scaling</text>')
        out.append(f'<rect x="{x0}" y="{top}" width="{width}" height="{height}" fill="none" stroke="#888"/>')
        for e in (0.0, 0.25, 0.5, 0.75, 1.0):
            dash = "" if e == 1.0 else ' stroke-dasharray="2 4"'
            out.append(f'<line x1="{x0}" x2="{x0 + width}" y1="{y_of(e):.1f}" y2="{y_of(e):.1f}" stroke="#aaa"{dash}/>')
            out.append(f'<text x="{x0 - 6}" y="{y_of(e) + 4:.1f}" text-anchor="end">{100 * e:.0f} %</text>')
        for n in ranks:
            out.append(f'<text x="{x_of(n):.1f}" y="{top + height + 16}" text-anchor="middle">{n}</text>')
        out.append(f'<text x="{x0 + width / 2}" y="{top + height + 34}" text-anchor="middle">ranks</text>')
        row = 0
        for name, study in studies.items():
            if study["kind"] != kind:
                continue
            colour = COLOURS[name.split()[0]]
            points = " ".join(f"{x_of(p['ranks']):.1f},{y_of(p['efficiency']):.1f}" for p in study["points"])
            out.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
            out += [f'<circle cx="{x_of(p["ranks"]):.1f}" cy="{y_of(p["efficiency"]):.1f}" r="3" fill="{colour}"/>' for p in study["points"]]
            out.append(f'<text x="{x0 + 12}" y="{top + height - 14 - 16 * row}" fill="{colour}">{name.split()[0]}</text>')
            row += 1
    out.append("</svg>\n")
    with open(path, "w") as file:
        file.write("\n".join(out))


def powers_of_two(limit):
    return [1 << i for i in range(limit.bit_length()) if 1 << i <= limit]


def gpus(binary):
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "info.json")
        environment = {k: v for k, v in os.environ.items() if k not in ("SLURM_NTASKS", "PMI_SIZE")}  # one rank of its own
        subprocess.run([binary, "info", "--json", out], check=True, stdout=subprocess.DEVNULL, env=environment)
        with open(out) as file:
            return len(json.load(file)["devices"])


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config")
    parser.add_argument("--binary", required=True)
    parser.add_argument("--mpi", required=True)
    parser.add_argument("--cores", type=int, required=True)
    parser.add_argument("--ranks", type=lambda text: sorted({int(n) for n in text.replace(",", " ").split()}))
    parser.add_argument("--only", default="training,sampling,evaluation")
    parser.add_argument("--steps", type=int, default=10, help="training steps, Langevin steps, batches of evaluation per rank")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rank-batch", type=int, default=64)
    parser.add_argument("--metrics", default="[fid,is]")
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--predict", type=int, nargs="+", default=[8, 64, 512])
    parser.add_argument("--out", default=os.path.join("runs", "scaling"))
    args = parser.parse_args()
    if args.ranks and any(max(args.ranks) % n for n in args.ranks):
        parser.error(f"--ranks: the largest, {max(args.ranks)}, must be a multiple of each: strong scaling divides its work")
    args.whats = args.only.split(",")
    if set(args.whats) - set(COLOURS):
        parser.error(f"--only takes {', '.join(COLOURS)}")
    args.processors = gpus(args.binary) or args.cores
    args.ranks = args.ranks or powers_of_two(args.processors)
    return args


def measure_rounds(args):
    """A row per round, study and rank count; rank counts in turns."""
    rows = []
    for round_, what, kind, ranks in itertools.product(range(args.rounds), args.whats, KINDS, args.ranks):
        row = {"study": what, "kind": kind, "ranks": ranks, "round": round_, **measure(args, what, kind, ranks)}
        print(f"round {round_ + 1}: {what} {kind} {ranks} ranks: {row['rate']:.1f} {row['unit']}", flush=True)
        rows.append(row)
    return rows


def measure_collectives(args):
    return [{"ranks": ranks, "bytes": row["bytes"], "seconds": row["microseconds"] * 1e-6}
            for ranks in args.ranks for row in bench(args, "collectives", ranks, 0, [])["all_reduce"]]


def study_of(rows):
    """Medians over the rounds of one study, and their efficiency."""
    study = {name: rows[0][name] for name in ("kind", "unit", "messages", "bytes")}
    points = study["points"] = []
    for ranks in sorted({r["ranks"] for r in rows}):
        seconds = [r["seconds"] for r in rows if r["ranks"] == ranks]
        points.append({"ranks": ranks, "seconds": statistics.median(seconds), "least": min(seconds), "most": max(seconds)})
    for p in points:
        p["efficiency"] = scaling_model.efficiency(study, points[0], p["seconds"], p["ranks"])
    return study


def write(args, rows, measured, model):
    at = lambda name: os.path.join(args.out, name)
    for name, value in (("scaling.json", measured), ("model.json", model)):
        with open(at(name), "w") as file:
            json.dump(value, file, indent=2)
            file.write("\n")
    with open(at("scaling.csv"), "w", newline="") as file:
        writer = csv.DictWriter(file, ["study", "kind", "ranks", "round", "seconds", "rate", "unit", "messages", "bytes"])
        writer.writeheader()
        writer.writerows(rows)
    svg(measured["studies"], at("scaling.svg"))


def main():
    args = arguments()
    os.makedirs(args.out, exist_ok=True)
    rows = measure_rounds(args)
    collectives = measure_collectives(args)
    studies = {f"{what} {kind}": study_of([r for r in rows if (r["study"], r["kind"]) == (what, kind)])
               for what, kind in itertools.product(args.whats, KINDS)}
    measured = {"schema": 1, "config": args.config, "settings": args.set, "rank_batch": args.rank_batch, "steps": args.steps,
                "rounds": args.rounds, "cores": args.cores, "studies": studies, "collectives": collectives,
                # Of this machine alone: an allocation has as many as it has tasks.
                "processors": None if "SLURM_JOB_ID" in os.environ else args.processors}
    model = scaling_model.model_of(measured, args.predict)
    write(args, rows, measured, model)
    print(f"\n{'study':<20} " + " ".join(f"{n:>6}" for n in args.ranks) + "   efficiency against ideal, medians of "
          f"{args.rounds} rounds on {args.cores} cores")
    for name, study in studies.items():
        print(f"{name:<20} " + " ".join(f"{100 * p['efficiency']:>5.1f}%" for p in study["points"]))
    print("\n" + scaling_model.text_of(model) + f"\n\nscaling: {args.out}/scaling.json, scaling.csv, scaling.svg, model.json")


if __name__ == "__main__":
    main()
