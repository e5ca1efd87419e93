"""Features, and what the reference packages compute of them: parity.npz and parity.json beside this file.

Needs (any private environment): numpy scipy torch torchvision torch-fidelity prdc pytorch-fid
"""
import contextlib
import importlib.metadata
import io
import json
import os

import numpy as np
import torch
from prdc import compute_prdc
from pytorch_fid.fid_score import calculate_frechet_distance
from torch_fidelity.defaults import DEFAULTS
from torch_fidelity.metric_isc import isc_features_to_metric
from torch_fidelity.metric_kid import kernel_poly, kid_features_to_metric

here = os.path.dirname(os.path.abspath(__file__))


def features(rng, count, dim, shift):
    """Positive, correlated, of unequal scales: like pooled activations."""
    mixing = np.random.RandomState(7).randn(dim, dim) / np.sqrt(dim)
    return np.maximum(rng.randn(count, dim) @ mixing * np.linspace(0.2, 1.5, dim) + shift, 0).astype(np.float32)


def kid_of_all_pairs(fake, real):
    """The unbiased estimate over all pairs; torch-fidelity has it for equal subsets alone, this is its kernel in float64."""
    options = {name: DEFAULTS[name] for name in DEFAULTS if name.startswith("kid_kernel")}
    m, n = len(fake), len(real)
    fake, real = fake.astype(np.float64), real.astype(np.float64)
    xx, yy, xy = (kernel_poly(a, b, **options) for a, b in ((fake, fake), (real, real), (fake, real)))
    return ((xx.sum() - np.trace(xx)) / (m * (m - 1)) + (yy.sum() - np.trace(yy)) / (n * (n - 1)) - 2 * xy.mean())


def main():
    rng = np.random.RandomState(1)
    fake, real = features(rng, 300, 32, 0.35), features(rng, 260, 32, 0.25)
    logits = (rng.randn(300, 20) * 2).astype(np.float32)
    few = features(rng, 20, 32, 0.3)  # fewer than features
    np.savez(os.path.join(here, "parity.npz"), fake=fake, real=real, logits=logits, few=few)

    def frechet(a, b):
        return calculate_frechet_distance(a.mean(0), np.cov(a, rowvar=False), b.mean(0), np.cov(b, rowvar=False))

    double = [x.astype(np.float64) for x in (fake, real, few)]
    isc = isc_features_to_metric(torch.from_numpy(logits), splits=10, shuffle=False)
    kid = kid_features_to_metric(torch.from_numpy(fake), torch.from_numpy(real), **{
        **DEFAULTS, "kid_subsets": 20, "kid_subset_size": 100, "verbose": False})
    with contextlib.redirect_stdout(io.StringIO()):
        prdc = {str(k): compute_prdc(real, fake, k) for k in (3, 5)}
    expected = {
        "packages": {name: importlib.metadata.version(name) for name in ("torch-fidelity", "prdc", "pytorch-fid", "numpy")},
        "frechet_distance": float(frechet(double[0], double[1])),
        "frechet_distance_few": float(frechet(double[2], double[1])),
        "inception_score": {"mean": isc["inception_score_mean"], "std": isc["inception_score_std"]},
        "kid": {"unbiased": float(kid_of_all_pairs(fake, real)),
                "subsets_mean": kid["kernel_inception_distance_mean"], "subsets_std": kid["kernel_inception_distance_std"]},
        "prdc": {k: {name: float(value) for name, value in values.items()} for k, values in prdc.items()},
        "permutation": {"first": [], "second": []},
    }
    draws = np.random.RandomState(2020)
    expected["permutation"]["first"] = draws.choice(1000, 12, replace=False).tolist()
    expected["permutation"]["second"] = draws.choice(257, 12, replace=False).tolist()
    with open(os.path.join(here, "parity.json"), "w") as file:
        json.dump(expected, file, indent=1)
        file.write("\n")


main()
