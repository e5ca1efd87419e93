#!/usr/bin/env python3
"""Training throughput of a GAN in PyTorch DistributedDataParallel, for launch/bench.sh training to compare with.

The nets are those of configs/cifar10-sndcgan.yaml (non-saturating loss) and configs/cifar10-sngan.yaml (hinge), written
with torch.nn and torch's own spectral norm; gradients are reduced by DDP over gloo; Adam is the fused one. One step is
`--discriminator-steps` updates of D and one of G, as in the recipes. Started once per rank by torchrun or with the
environment RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT; rank 0 prints one line of JSON.
"""
import argparse
import json
import os
import resource
import statistics
import time

import torch
import torch.distributed as dist
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils.parametrizations import spectral_norm as sn


class Up(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.n1, self.n2 = nn.BatchNorm2d(c), nn.BatchNorm2d(c)
        self.c1, self.c2 = nn.Conv2d(c, c, 3, padding=1), nn.Conv2d(c, c, 3, padding=1)
        self.s = nn.Conv2d(c, c, 1)

    def forward(self, x):
        h = self.c1(F.interpolate(F.relu(self.n1(x)), scale_factor=2))
        return self.c2(F.relu(self.n2(h))) + self.s(F.interpolate(x, scale_factor=2))


class Down(nn.Module):
    def __init__(self, a, b, down, first):
        super().__init__()
        self.down, self.first = down, first
        self.c1, self.c2 = sn(nn.Conv2d(a, b, 3, padding=1)), sn(nn.Conv2d(b, b, 3, padding=1))
        self.s = sn(nn.Conv2d(a, b, 1)) if down else nn.Identity()

    def forward(self, x):
        h = self.c2(F.relu(self.c1(x if self.first else F.relu(x))))
        if not self.down:
            return h + x
        s = self.s(F.avg_pool2d(x, 2)) if self.first else F.avg_pool2d(self.s(x), 2)
        return F.avg_pool2d(h, 2) + s


class SumPool(nn.Module):
    def forward(self, x):
        return x.sum((2, 3))


def sn_resnet():
    g = nn.Sequential(nn.Linear(128, 4096), nn.Unflatten(1, (256, 4, 4)), Up(256), Up(256), Up(256),
                      nn.BatchNorm2d(256), nn.ReLU(), nn.Conv2d(256, 3, 3, padding=1), nn.Tanh())
    d = nn.Sequential(Down(3, 128, True, True), Down(128, 128, True, False), Down(128, 128, False, False),
                      Down(128, 128, False, False), nn.ReLU(), SumPool(), sn(nn.Linear(128, 1, bias=False)))
    return g, d, "hinge"


def sn_dcgan():
    g = [nn.Linear(128, 8192), nn.Unflatten(1, (512, 4, 4)), nn.BatchNorm2d(512), nn.ReLU()]
    for a, b in ((512, 256), (256, 128), (128, 64)):
        g += [nn.ConvTranspose2d(a, b, 4, 2, 1), nn.BatchNorm2d(b), nn.ReLU()]
    g += [nn.Conv2d(64, 3, 3, padding=1), nn.Tanh()]
    d, widths = [], (3, 64, 128, 128, 256, 256, 512, 512)
    for i, (a, b) in enumerate(zip(widths, widths[1:])):
        d += [sn(nn.Conv2d(a, b, 3 + i % 2, 1 + i % 2, 1)), nn.LeakyReLU(0.2)]
    return nn.Sequential(*g), nn.Sequential(*d, nn.Flatten(), sn(nn.Linear(512 * 16, 1))), "non_saturating"


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--model", choices=("sn_resnet", "sn_dcgan"), required=True)
    p.add_argument("--batch", type=int, default=64, help="over all ranks")
    p.add_argument("--generator-batch", type=int, default=0)
    p.add_argument("--discriminator-steps", type=int, default=1)
    p.add_argument("--warmup", type=int, default=2)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--steps", type=int, default=3)
    p.add_argument("--channels-last", action="store_true")
    p.add_argument("--bfloat16", action="store_true")
    a = p.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    ranks = int(os.environ.get("WORLD_SIZE", "1"))
    if ranks > 1:
        dist.init_process_group("gloo")
    g, d, loss = {"sn_resnet": sn_resnet, "sn_dcgan": sn_dcgan}[a.model]()
    if a.channels_last:
        g, d = g.to(memory_format=torch.channels_last), d.to(memory_format=torch.channels_last)
    if ranks > 1:
        g = nn.parallel.DistributedDataParallel(g, broadcast_buffers=False)
        d = nn.parallel.DistributedDataParallel(d, broadcast_buffers=False)
    og = torch.optim.Adam(g.parameters(), 2e-4, (0.5, 0.999), fused=True)
    od = torch.optim.Adam(d.parameters(), 2e-4, (0.5, 0.999), fused=True)
    images = torch.randint(0, 256, (2 * a.batch, 3, 32, 32), dtype=torch.uint8)
    mine, mine_g = a.batch // ranks, (a.generator_batch or a.batch) // ranks

    def step():
        with torch.autocast("cpu", torch.bfloat16, enabled=a.bfloat16):
            for _ in range(a.discriminator_steps):
                real = images[torch.randint(0, len(images), (mine,))].float() / 127.5 - 1
                with torch.no_grad():
                    fake = g(torch.randn(mine, 128))
                od.zero_grad()
                r, f = d(torch.cat([real, fake])).float().squeeze(1).split(mine)
                value = (F.relu(1 - r).mean() + F.relu(1 + f).mean() if loss == "hinge"
                         else F.softplus(-r).mean() + F.softplus(f).mean())
                value.backward()
                od.step()
            d.requires_grad_(False)
            og.zero_grad()
            inner = d.module if ranks > 1 else d
            f = inner(g(torch.randn(mine_g, 128))).float()
            (-f.mean() if loss == "hinge" else F.softplus(-f).mean()).backward()
            og.step()
            d.requires_grad_(True)

    for _ in range(a.warmup):
        step()
    rates = []
    for _ in range(a.rounds):
        if ranks > 1:
            dist.barrier()
        start = time.perf_counter()
        for _ in range(a.steps):
            step()
        if ranks > 1:
            dist.barrier()
        rates.append(a.steps * a.batch * a.discriminator_steps / (time.perf_counter() - start))
    if int(os.environ.get("RANK", "0")) == 0:
        print(json.dumps({"model": a.model, "ranks": ranks, "channels_last": a.channels_last, "bfloat16": a.bfloat16,
                          "images_per_second": {"median": statistics.median(rates), "min": min(rates),
                                                "max": max(rates)},
                          "peak_resident_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
    if ranks > 1:
        dist.destroy_process_group()


main()
