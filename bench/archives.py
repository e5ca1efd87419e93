#!/usr/bin/env python3
"""Chain-steps/s and memory of a foreign GAN: a .pt2 archive, portable and compiled, beside TorchScript, in turn.

  PYTHONPATH=.deps/python python3 bench/archives.py BINARY FOLDER [--rounds 3] [--chains 256] [--steps 100]

The GAN is a small DCGAN with random weights, written to FOLDER (with its compiled programs: some two minutes, once).
A step's cost is the difference of runs of `ddls_dist sample` with 5 and with 5 + STEPS steps of ddls, one rank, one
thread, in user CPU time; memory is the largest resident set of the longer run. Needs the wheel's torch and g++.
"""
import argparse
import os
import pathlib
import statistics
import sys
import tempfile

import torch
from torch import nn
import torch.nn.utils.parametrize

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tools"))
from export_gan import export_gan  # noqa: E402 (its folder is known only now)

LATENT = 16


class Generator(nn.Module):
    def __init__(self):
        super().__init__()
        self.start = nn.Linear(LATENT, 64 * 16)
        self.body = nn.Sequential(nn.BatchNorm2d(64), nn.ReLU(), nn.ConvTranspose2d(64, 32, 4, 2, 1), nn.BatchNorm2d(32), nn.ReLU(),
                                  nn.ConvTranspose2d(32, 3, 4, 2, 1), nn.Tanh())

    def forward(self, z):
        return self.body(self.start(z).view(-1, 64, 4, 4))


def networks():
    torch.manual_seed(0)
    norm = nn.utils.parametrizations.spectral_norm
    discriminator = nn.Sequential(norm(nn.Conv2d(3, 32, 4, 2, 1)), nn.LeakyReLU(0.2), norm(nn.Conv2d(32, 64, 4, 2, 1)), nn.LeakyReLU(0.2),
                                  nn.Flatten(), norm(nn.Linear(64 * 16, 1)))
    generator = Generator()
    with torch.no_grad():  # batch norms are measured
        generator(torch.randn(256, LATENT))
        for layer in discriminator:  # folded in: torch.jit.trace takes no parametrizations
            if nn.utils.parametrize.is_parametrized(layer):
                nn.utils.parametrize.remove_parametrizations(layer, "weight")
    return generator.eval(), discriminator.eval()


def write(folder):
    generator, discriminator = networks()
    if not (folder / "gan.pt2").exists():
        export_gan(generator, discriminator, str(folder / "gan.pt2"), latent_dim=LATENT, aot=("ratio", "ratio_grad", "decode"))
    with torch.no_grad():
        torch.jit.trace(generator, torch.randn(3, LATENT)).save(folder / "G.pt")
        torch.jit.trace(discriminator, torch.randn(3, 3, 16, 16)).save(folder / "D.pt")


def run(binary, arguments, steps, chains):
    """(user CPU seconds, peak resident bytes) of one sampling run."""
    with tempfile.TemporaryDirectory() as out, open(os.path.join(out, "log"), "w+") as log:
        command = [binary, "sample", *arguments, "--out", os.path.join(out, "run"), "--device", "cpu", "--set", "sample.methods=[ddls]",
                   "--set", f"sample.count={chains}", "--set", f"sample.block_size={chains}", "--set", f"sample.ddls.steps={steps}"]
        child = os.posix_spawnp(binary, command, {**os.environ, "OMP_NUM_THREADS": "1"},
                                file_actions=[(os.POSIX_SPAWN_DUP2, log.fileno(), 1), (os.POSIX_SPAWN_DUP2, log.fileno(), 2)])
        _, status, usage = os.wait4(child, 0)
        if status != 0:
            log.seek(0)
            sys.exit(f"{' '.join(command)}:\n{log.read()}")
        return usage.ru_utime, usage.ru_maxrss * 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--chains", type=int, default=256)
    parser.add_argument("--steps", type=int, default=100)
    a = parser.parse_args()
    a.folder.mkdir(parents=True, exist_ok=True)
    write(a.folder)
    archive = ["--generator", str(a.folder / "gan.pt2")]
    kinds = {"compiled": [*archive, "--set", "model.compiled=auto"], "portable": archive,
             "TorchScript": ["--generator", str(a.folder / "G.pt"), "--discriminator", str(a.folder / "D.pt"), "--set", f"model.latent_dim={LATENT}"]}
    costs, memory = {kind: [] for kind in kinds}, {kind: 0 for kind in kinds}
    for _ in range(a.rounds):
        for kind, arguments in kinds.items():
            short, _ = run(a.binary, arguments, 5, a.chains)
            long, peak = run(a.binary, arguments, 5 + a.steps, a.chains)
            costs[kind].append((long - short) / a.steps)
            memory[kind] = max(memory[kind], peak)
    scripted = statistics.median(costs["TorchScript"])
    print(f"{'programs':12} {'ms of CPU per step':>24} {'chain-steps/s':>14} {'of TorchScript':>15} {'peak MB':>8}")
    for kind, seconds in costs.items():
        middle = statistics.median(seconds)
        print(f"{kind:12} {f'{1e3 * middle:.1f} ({1e3 * min(seconds):.1f} to {1e3 * max(seconds):.1f})':>24} {a.chains / middle:14.0f} "
              f"{scripted / middle:15.2f} {memory[kind] / 1e6:8.0f}")


if __name__ == "__main__":
    main()
