#!/usr/bin/env python3
"""Langevin steps per second of a GAN in PyTorch, for launch/bench.sh sampler to compare with.

All variants make the same step, z <- z - eps/2 dE/dz + sqrt(eps) n with E(z) = |z|^2 / 2 - d(G(z)), and take turns inside
every round. Prints one line of JSON: the median rate of each.

  naive          backward() as in training: parameters get gradients too, spectral norm is computed anew
  frozen         parameters need no gradient, spectral norm is divided out once, autograd.grad for z alone
  channels_last  frozen, with images and kernels in channels-last memory
"""
import argparse
import json
import resource
import statistics
import time

import torch
import torch.nn as nn
from torch.nn.utils import parametrize

from torch_networks import LATENT_DIM, NETWORKS

VARIANTS = ("naive", "frozen", "channels_last")


class Sampler:
    def __init__(self, model, variant, batch):
        torch.manual_seed(0)
        g, d = NETWORKS[model]()
        nets = nn.ModuleList([g, d])
        with torch.no_grad():
            for _ in range(3):   # statistics and directions of the norms
                d(g(torch.randn(16, LATENT_DIM[model])))
        nets.eval()
        if variant != "naive":
            nets.requires_grad_(False)
            for m in nets.modules():
                if parametrize.is_parametrized(m):
                    parametrize.remove_parametrizations(m, "weight", leave_parametrized=True)
        if variant == "channels_last":
            nets.to(memory_format=torch.channels_last)
        self.nets, self.naive = nets, variant == "naive"
        self.z = torch.randn(batch, LATENT_DIM[model])

    def gradient(self):
        z = self.z.detach().requires_grad_(True)
        g, d = self.nets
        energy = 0.5 * z.square().sum() - d(g(z)).sum()
        if not self.naive:
            return torch.autograd.grad(energy, z)[0]
        self.nets.zero_grad(set_to_none=True)
        energy.backward()
        return z.grad

    def run(self, steps, eps=0.01):
        for _ in range(steps):
            gradient = self.gradient()
            self.z = self.z - eps / 2 * gradient + eps ** 0.5 * torch.randn_like(self.z)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--model", choices=NETWORKS, required=True)
    p.add_argument("--batch", type=int, default=64)
    p.add_argument("--variants", nargs="+", choices=VARIANTS, default=VARIANTS)
    p.add_argument("--warmup", type=int, default=1)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--steps", type=int, default=3)
    a = p.parse_args()
    torch.set_num_threads(1)
    samplers = {v: Sampler(a.model, v, a.batch) for v in a.variants}
    rates = {v: [] for v in a.variants}
    for s in samplers.values():
        s.run(a.warmup)
    for _ in range(a.rounds):
        for v, s in samplers.items():
            start = time.perf_counter()
            s.run(a.steps)
            rates[v].append(a.steps * a.batch / (time.perf_counter() - start))
    print(json.dumps({"model": a.model, "batch": a.batch,
                      "chain_steps_per_second": {v: {"median": statistics.median(r), "min": min(r), "max": max(r)}
                                                 for v, r in rates.items()},
                      "peak_resident_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


main()
