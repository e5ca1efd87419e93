#!/usr/bin/env python3
"""Metrics of fixed arrays by `ddls_dist evaluate`, against the packages that people compare with.

    [DDLS_REFERENCE_PYTHON=PYTHON] reference_metrics.py PROGRAM FOLDER [--rows N --features F --launch "mpirun -np 2"]

Needs numpy, torch and torchvision, torch-fidelity, prdc and vendi-score (`pip install torch-fidelity prdc vendi-score` in an
environment of its own, which DDLS_REFERENCE_PYTHON names); without them it says which one is missing and exits with 77. Numbers have to
agree to 1e-5, counts exactly.
"""
import argparse
import contextlib
import io
import json
import math
import os
import shlex
import subprocess
import sys
import time

try:
    import numpy as np
    import torch
    from prdc import compute_prdc
    from torch_fidelity.defaults import DEFAULTS
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
    from torch_fidelity.metric_isc import isc_features_to_metric
    from torch_fidelity.metric_kid import kid_features_to_metric
    from torch_fidelity.metric_prc import prc_features_to_metric
    from vendi_score import vendi
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)


def features(seed, count, dim, shift):
    """Positive, correlated, of unequal scales: like pooled activations."""
    mixing = np.random.RandomState(7).randn(dim, dim) / np.sqrt(dim) * np.linspace(0.2, 1.5, dim)
    return np.maximum(np.random.RandomState(seed).randn(count, dim) @ mixing + shift, 0).astype(np.float32)


class Network(torch.nn.Module):
    """An extractor of docs/formats.md: pixels, and class scores that are a product of them."""

    def __init__(self, pixels, classes):
        super().__init__()
        self.weights = torch.from_numpy(np.random.RandomState(3).randn(pixels, classes).astype(np.float32) / 8)

    def forward(self, images: torch.Tensor):
        pixels = images.flatten(1).float() / 64
        return pixels, pixels @ self.weights


def evaluate(options, name, fake, real, metrics, more=()):
    result = os.path.join(options.folder, name + ".json")
    command = shlex.split(options.launch) + [options.program, "evaluate", "--fake", fake, "--real", real, "--metrics", metrics,
                                             "--json", result, "--log-level", "error", *more]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    with open(result) as file:
        return json.load(file)["metrics"]


def saved(options, name, array):
    path = os.path.join(options.folder, name + ".npz")
    np.savez(path, arr_0=array)
    return path


def of_packages(fake, real):
    """What they make of features; kernels and distances in float64, which torch-fidelity leaves to its caller."""
    quiet = {**DEFAULTS, "verbose": False}
    a, b = torch.from_numpy(fake), torch.from_numpy(real)
    seconds, found = {}, {}

    def timed(name, compute):
        start = time.process_time()
        with contextlib.redirect_stdout(io.StringIO()):
            result = compute()
        seconds[name] = round(time.process_time() - start, 2)
        return result

    found["frechet_distance"] = timed("fid", lambda: fid_statistics_to_metric(
        fid_features_to_statistics(a), fid_features_to_statistics(b), False))["frechet_inception_distance"]
    size = min(1000, len(fake), len(real))
    kid = timed("kid", lambda: kid_features_to_metric(a.double(), b.double(), **{**quiet, "kid_subset_size": size}))
    found["kid.subsets_mean"], found["kid.subsets_std"] = (
        kid["kernel_inception_distance_mean"], kid["kernel_inception_distance_std"])
    prc = timed("improved_pr", lambda: prc_features_to_metric(a.double(), b.double(), **quiet))
    found["improved_precision"], found["improved_recall"] = prc["precision"], prc["recall"]
    for name, value in timed("prdc", lambda: compute_prdc(real.astype(np.float64), fake.astype(np.float64), 5)).items():
        found[name] = float(value)
    unit = fake.astype(np.float64) / np.linalg.norm(fake.astype(np.float64), axis=1, keepdims=True)
    found["vendi"] = float(timed("vendi", lambda: vendi.score_dual(unit)))
    return found, seconds


counts = ("improved_precision", "improved_recall", "precision", "recall", "density", "coverage")


def compared(ours, theirs):
    """The relative differences; of counts, whether they are equal to the rounding of a share (torch-fidelity's is a float32)."""
    bad, rows = [], {}
    for name, expected in theirs.items():
        value = ours
        for part in name.split("."):
            value = value[part]
        difference = abs(value - expected) / max(abs(expected), 1e-300)
        rows[name] = difference
        limit = (1e-7 if name.startswith("improved") else 1e-12) if name in counts else 1e-5
        if not difference <= limit:
            bad.append(f"{name}: {value!r}, not {expected!r}")
        print(f"{name:22} {value:.12g}  {expected:.12g}  relative {difference:.1e}")
    return bad, rows


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("folder")
    parser.add_argument("--rows", type=int, default=1300)
    parser.add_argument("--features", type=int, default=96)
    parser.add_argument("--launch", default="")
    options = parser.parse_args()
    os.makedirs(options.folder, exist_ok=True)
    torch.set_num_threads(1)

    fake, real = features(1, options.rows, options.features, 0.35), features(2, options.rows - 100, options.features, 0.25)
    files = saved(options, "fake", fake), saved(options, "real", real)
    start = os.times()
    ours = evaluate(options, "points", *files, "fid,kid,prdc,improved_pr,vendi")
    end = os.times()
    theirs, seconds = of_packages(fake, real)
    bad, rows = compared(ours, theirs)
    print(f"processor time: ours {end.children_user - start.children_user:.2f} s, theirs {sum(seconds.values()):.2f} s {seconds}")

    images = np.random.RandomState(5).randint(0, 256, (330, 6, 6, 3)).astype(np.uint8)
    network = torch.jit.script(Network(108, 12))
    extractor = os.path.join(options.folder, "network.pt")
    network.save(extractor)
    file = saved(options, "images", images)
    score = evaluate(options, "images", file, file, "is", ["--extractor", extractor])["inception_score"]
    with torch.no_grad():
        logits = network(torch.from_numpy(images).permute(0, 3, 1, 2))[1]
    isc = isc_features_to_metric(logits, splits=10, shuffle=False)
    more, _ = compared({"inception_score": score}, {"inception_score.mean": isc["inception_score_mean"],
                                                    "inception_score.std": isc["inception_score_std"]})
    for line in bad + more:
        print("FAILED", line)
    assert all(math.isfinite(value) for value in rows.values())
    return 1 if bad + more else 0


if __name__ == "__main__":
    sys.exit(main())
