"""Writes arviz_fixture.npz: draws [chains, draws] of several kinds, and what ArviZ says of them.

    python make_arviz_fixture.py arviz_fixture.npz        (needs numpy and arviz 0.19)
"""
import sys

import arviz as az
import numpy as np

rng = np.random.default_rng(7)


def autoregressive(chains, draws, phi):
    noise = rng.normal(size=(chains, draws))
    x = np.empty((chains, draws))
    x[:, 0] = noise[:, 0]
    for t in range(1, draws):
        x[:, t] = phi * x[:, t - 1] + np.sqrt(1 - phi * phi) * noise[:, t]
    return x


cases = {
    "independent": rng.normal(size=(4, 100)),
    "slow": autoregressive(6, 151, 0.9),                                        # an odd number of draws
    "alternating": autoregressive(3, 80, -0.7),                                 # more effective draws than draws
    "heavy": rng.standard_cauchy(size=(4, 60)),
    "apart": autoregressive(4, 60, 0.5) + np.array([[0.0], [0.0], [0.0], [3.0]]),
    "scales": rng.normal(size=(4, 64)) * np.array([[1.0], [1.0], [1.0], [4.0]]),  # R-hat sees it in the tails alone
    "ties": rng.integers(0, 4, size=(5, 40)).astype(float),
    "short": rng.normal(size=(8, 8)),
}
out = {}
for name, x in cases.items():
    out[name] = x
    out[name + "_expected"] = np.array([az.rhat(x, method="rank"), az.ess(x, method="bulk"), x.size / az.ess(x, method="mean"),
                                      az.ess(x, method="tail")])
    print(name, out[name + "_expected"])
np.savez(sys.argv[1], **out)
