#!/usr/bin/env python3
"""Training throughput of a GAN in PyTorch DistributedDataParallel, for bench/compare.sh training to compare with.

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

from torch_networks import NETWORKS


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
    g, d = NETWORKS[a.model]()
    loss = "hinge" if a.model == "sn_resnet" else "non_saturating"
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
                r, f = d(torch.cat([real, fake])).float().split(mine)
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
