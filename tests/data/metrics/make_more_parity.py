"""What a second, plain implementation (numpy, float64, whole matrices) makes of parity.npz: more_parity.json beside it.

Written from the formulas of the papers, apart from the program. Needs numpy.
"""
import json
import math
import os

import numpy as np

here = os.path.dirname(os.path.abspath(__file__))


def distances(x, y):
    return np.sqrt(((x[:, None, :] - y[None, :, :]) ** 2).sum(-1)).astype(np.float32)


def radii(x, k):
    d = distances(x, x)
    np.fill_diagonal(d, np.inf)
    return np.sort(d, 1)[:, k - 1]


def improved(fake, real, k):
    d = distances(real, fake)
    return {"improved_precision": float((d <= radii(real, k)[:, None]).any(0).mean()),
            "improved_recall": float((d <= radii(fake, k)[None, :]).any(1).mean())}


def clipped(fake, real, k):
    """The curve by simulation-free sums: P(j of m in a ball) by exact integers."""
    n, m = len(real), len(fake)
    nnd = radii(real, k)
    clip = np.minimum(nnd, np.median(nnd))
    own = distances(real, real)
    np.fill_diagonal(own, np.inf)
    d = distances(real, fake)
    share = lambda counts: np.minimum(counts / k, 1).mean()
    density = share((d <= clip[:, None]).sum(0)) / share((own <= clip[:, None]).sum(0))
    coverage = share((d <= nnd[:, None]).sum(1))

    def curve(fakes):
        # Of n - 1 other reals and the fakes in order of their distance, all orders alike: j fakes before the k-th real.
        ways = lambda j: math.comb(j + k - 1, j) * math.comb(fakes - j + n - 1 - k, fakes - j)
        total = math.comb(fakes + n - 1, fakes)
        return sum(min(j, k) * ways(j) for j in range(fakes + 1)) / total / k

    values = [curve(i) for i in range(m + 1)]
    return {"clipped_density": float(min(density, 1)),
            "clipped_coverage": float(np.interp(coverage, values, np.arange(m + 1) / m))}


def vendi(x):
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    w = np.linalg.eigvalsh(x @ x.T / len(x))
    w = w[w > 1e-300]
    return float(np.exp(-(w * np.log(w)).sum()))


def authenticity(fake, train):
    own = distances(train, train)
    np.fill_diagonal(own, np.inf)
    d = distances(fake, train)
    nearest = d.argmin(1)
    return float((own.min(1)[nearest] < d.min(1)).mean())


def c_t(fake, real, train):
    """One cell, all features."""
    a = np.sqrt(((fake[:, None, :] - train[None, :, :]) ** 2).sum(-1)).min(1)
    b = np.sqrt(((real[:, None, :] - train[None, :, :]) ** 2).sum(-1)).min(1)
    m, n = len(a), len(b)
    u = (a[:, None] > b[None, :]).sum() + 0.5 * (a[:, None] == b[None, :]).sum()
    return float((u - m * n / 2) / np.sqrt(m * n * (m + n + 1) / 12))


def probabilistic(fake, real, a, k):
    d = distances(real, fake).astype(np.float64)
    p = np.maximum(0, 1 - d / (a * radii(real, k).astype(np.float64).mean()))
    r = np.maximum(0, 1 - d / (a * radii(fake, k).astype(np.float64).mean()))
    return {"probabilistic_precision": float((1 - (1 - p).prod(0)).mean()),
            "probabilistic_recall": float((1 - (1 - r).prod(1)).mean())}


def cmmd(x, y, sigma):
    x, y = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (x, y))
    kernel = lambda a, b: np.exp(-((a[:, None, :] - b[None, :, :]) ** 2).sum(-1) / (2 * sigma**2)).mean()
    return float(1000 * (kernel(x, x) + kernel(y, y) - 2 * kernel(x, y)))


def fld(fake, real, train, steps=50):
    mean, scale = train.mean(0), train.std(0)
    fake, real, train = ((x - mean) / scale for x in (fake, real, train))
    features = fake.shape[1]
    squares = lambda x, y: ((x[:, None, :] - y[None, :, :]) ** 2).sum(-1)

    def terms(d, s):
        return -0.5 * d / np.exp(s) - 0.5 * features * s - np.log(len(s))

    def nll(d, s):
        t = terms(d, s)
        top = t.max(1, keepdims=True)
        return -(top[:, 0] + np.log(np.exp(t - top).sum(1))).mean()

    def fit(d):
        s, m, v = (np.zeros(d.shape[1]) for _ in range(3))
        for step in range(1, steps + 1):
            t = terms(d, s)
            w = np.exp(t - t.max(1, keepdims=True))
            w /= w.sum(1, keepdims=True)
            gradient = (w * (features / 2 - d / (2 * np.exp(s)))).mean(0)
            m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
            s = np.clip(s - 0.5 * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.999**step)) + 1e-8), -30, 20)
        return s

    s = fit(squares(train, fake))
    half = len(train) // 2
    base = nll(squares(real, train[:half]), fit(squares(train[half:], train[:half])))
    on_train, on_test = nll(squares(train, fake), s), nll(squares(real, fake), s)
    return {"value": float(100 * (on_test - base) / features), "gap": float(100 * (on_train - on_test) / features)}


def main():
    arrays = np.load(os.path.join(here, "parity.npz"))
    # A training set that the fakes partly copy: reals of the second half, and some fakes moved a little.
    fake, real = (arrays[name].astype(np.float64) for name in ("fake", "real"))
    train = np.concatenate([real[130:], fake[:40] + 0.001]).astype(np.float32).astype(np.float64)
    reals = real[:130]
    expected = {**improved(fake, real, 3), **clipped(fake, real, 5), "vendi": vendi(fake),
                **probabilistic(fake, real, 1.2, 4), "cmmd": cmmd(fake, real, 10),
                "authenticity": authenticity(fake, train), "ct": c_t(fake, reals, train),
                "fld": fld(fake, reals, train)}
    with open(os.path.join(here, "more_parity.json"), "w") as file:
        json.dump(expected, file, indent=1)
        file.write("\n")
    print(expected)


main()
