#!/usr/bin/env python3
"""Langevin steps per second of a GAN in PyTorch, for bench/compare.sh sampler to compare with.

All variants make the same step, z <- z - eps/2 dE/dz + sqrt(eps) n with E(z) = |z|^2 / 2 - d(G(z)), and take turns inside
every round. Prints one line of JSON: the median rate of each.

  naive          backward() as in training: parameters get gradients too, spectral norm is computed anew
  frozen         parameters need no gradient, spectral norm is divided out once, autograd.grad for z alone
  channels_last  frozen, with images and kernels in channels-last memory
  micro_batches  channels_last, 16 chains at a time (activations stay in cache)
  compiled       channels_last, energy and its backward pass through torch.compile
  compiled_grad  channels_last, torch.func.grad of the energy as one compiled graph
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

VARIANTS = ("naive", "frozen", "channels_last", "micro_batches", "compiled", "compiled_grad")
MICRO_BATCH = 16


class Sampler:
    def __init__(self, model, variant, batch, dtype):
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
        if variant not in ("naive", "frozen"):
            nets.to(memory_format=torch.channels_last)
        nets.to(dtype)
        self.nets, self.naive = nets, variant == "naive"
        self.z = torch.randn(batch, LATENT_DIM[model])
        self.chains_at_once = MICRO_BATCH if variant == "micro_batches" else batch
        energy = lambda z: 0.5 * z.square().sum() - d(g(z.to(dtype))).sum().float()
        self.energy = torch.compile(energy, dynamic=False) if variant == "compiled" else energy
        self.graph = None
        if variant == "compiled_grad":
            self.graph = torch.compile(torch.func.grad(energy), fullgraph=True, dynamic=False)

    def gradient_of(self, z):
        if self.graph:
            return self.graph(z)
        z = z.detach().requires_grad_(True)
        energy = self.energy(z)
        if not self.naive:
            return torch.autograd.grad(energy, z)[0]
        self.nets.zero_grad(set_to_none=True)
        energy.backward()
        return z.grad

    def gradient(self):
        return torch.cat([self.gradient_of(z) for z in self.z.split(self.chains_at_once)])

    def run(self, steps, eps=0.01):
        for _ in range(steps):
            gradient = self.gradient()
            self.z = self.z - eps / 2 * gradient + eps ** 0.5 * torch.randn_like(self.z)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--model", choices=NETWORKS, required=True)
    p.add_argument("--batch", type=int, default=64)
    p.add_argument("--variants", nargs="+", choices=VARIANTS, default=VARIANTS)
    p.add_argument("--bfloat16", action="store_true", help="networks in bfloat16; z, its noise and the update stay float32")
    p.add_argument("--warmup", type=int, default=1)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--steps", type=int, default=3)
    a = p.parse_args()
    torch.set_num_threads(1)
    samplers = {v: Sampler(a.model, v, a.batch, torch.bfloat16 if a.bfloat16 else torch.float32) for v in a.variants}
    rates = {v: [] for v in a.variants}
    for s in samplers.values():
        s.run(a.warmup)
    for _ in range(a.rounds):
        for v, s in samplers.items():
            start = time.perf_counter()
            s.run(a.steps)
            rates[v].append(a.steps * a.batch / (time.perf_counter() - start))
    print(json.dumps({"model": a.model, "batch": a.batch, "bfloat16": a.bfloat16,
                      "chain_steps_per_second": {v: {"median": statistics.median(r), "min": min(r), "max": max(r)}
                                                 for v, r in rates.items()},
                      "peak_resident_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


main()
