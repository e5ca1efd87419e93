#!/usr/bin/env python3
"""A benchmark with a known answer for generators that are given (docs/pretrained.md).

  known_truth.py write FOLDER [--latent-dim 8] [--side 0] [--train 60000] [--test 10000]
      A fixed one-to-one G as FOLDER/gan.pt2, and data: G(z) with z ~ N(m, s^2 I), m = 0.4 in each of k places, s = 0.7. The generator
      draws z ~ N(0, I), so log p_data / p_generator is quadratic in z and what a sampler should give is N(m, s^2 I). --side 16: grey
      images of 16 x 16 in the place of points, and features.pt, which evaluates them.
  known_truth.py check FOLDER RUN [--methods mala,isir] [--square 0.03] [--direction 0.05] [--fd 2]
      Latents and samples of a run against the truth; ends with 1 where one of these methods is farther off than is allowed.

Needs the torch of tools/export_gan.py and nothing else.
"""
import argparse
import ast
import ctypes
import json
import math
import os
import struct
import sys
import zipfile

import torch
from torch import nn

MEAN, SPREAD = 0.4, 0.7


class OneToOne(nn.Module):
    """x = A (z + tanh(W z) / 2) with |W| < 1 and A of full rank; images: its tanh."""

    def __init__(self, k, side):
        super().__init__()
        seeded = torch.Generator().manual_seed(11)
        w = torch.randn(k, k, generator=seeded)
        self.register_buffer("w", 0.95 * w / torch.linalg.matrix_norm(w, 2))
        columns = torch.linalg.qr(torch.randn(side * side or k, k, generator=seeded))[0]
        smooth = columns
        if side:  # neighbours alike, as pixels are
            maps = nn.functional.avg_pool2d(nn.functional.pad(columns.T.reshape(k, 1, side, side), (2, 2, 2, 2), mode="replicate"), 5, 1)
            smooth = torch.linalg.qr(maps.reshape(k, -1).T)[0] * side / 2
        self.register_buffer("a", smooth.contiguous())
        self.side = side

    def forward(self, z):
        x = (z + torch.tanh(z @ self.w.T) * 0.5) @ self.a.T
        return torch.tanh(x * 0.4).reshape(-1, 1, self.side, self.side) if self.side else x


class Features(nn.Module):
    """An extractor as evaluate.extractor takes it: means of 16 patches, and of their squares; no classes."""

    def forward(self, images):
        x = images.float().mean(1, keepdim=True) / 127.5 - 1
        f = torch.cat([nn.functional.adaptive_avg_pool2d(x, [4, 4]).flatten(1),
                       nn.functional.adaptive_avg_pool2d(x * x, [4, 4]).flatten(1)], 1)
        return f, f[:, :0]


def write_npz(path, array):
    kind = {torch.float32: "<f4", torch.uint8: "|u1"}[array.dtype]
    header = repr({"descr": kind, "fortran_order": False, "shape": tuple(array.shape)})
    header += " " * (63 - (10 + len(header)) % 64) + "\n"
    array = array.contiguous()
    content = ctypes.string_at(array.data_ptr(), array.numel() * array.element_size())
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("arr_0.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + content)


def read_npz(path):
    with zipfile.ZipFile(path) as archive:
        data = archive.read("arr_0.npy")
    begin = 10 + struct.unpack("<H", data[8:10])[0]
    header = ast.literal_eval(data[10:begin].decode())
    kind = {"<f4": torch.float32, "|u1": torch.uint8}[header["descr"]]
    return torch.frombuffer(bytearray(data[begin:]), dtype=kind).reshape(header["shape"])


def exact_draws(generator, k, count, seed):
    z = MEAN + SPREAD * torch.randn(count, k, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        x = generator(z)
    return z, ((127.5 * x + 128).floor().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous() if x.dim() == 4 else x)


def write(folder, k, side, train, test):
    from export_gan import export_gan
    os.makedirs(folder, exist_ok=True)
    generator = OneToOne(k, side).eval()
    export_gan(generator, None, os.path.join(folder, "gan.pt2"), latent_dim=k)
    for name, count, seed in (("train", train, 1), ("test", test, 2)):
        write_npz(os.path.join(folder, name + ".npz"), exact_draws(generator, k, count, seed)[1])
    if side:
        torch.jit.script(Features().eval()).save(os.path.join(folder, "features.pt"))
    with open(os.path.join(folder, "truth.json"), "w") as file:
        json.dump({"latent_dim": k, "side": side, "mean": MEAN, "spread": SPREAD}, file)


def frechet(a, b):
    """Of rows, in float64."""
    a, b = a.double(), b.double()
    ca, cb = torch.cov(a.T), torch.cov(b.T)
    values, vectors = torch.linalg.eigh(ca)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    cross = torch.linalg.eigvalsh(root @ cb @ root).clamp(min=0).sqrt().sum()
    return float((a.mean(0) - b.mean(0)).square().sum() + ca.trace() + cb.trace() - 2 * cross)


def rows_of(x):
    if x.dim() == 2:
        return x
    with torch.no_grad():
        return Features()(x.permute(0, 3, 1, 2))[0]


def check(folder, run, methods, allowed):
    truth = json.load(open(os.path.join(folder, "truth.json")))
    k, mean, spread = truth["latent_dim"], truth["mean"], truth["spread"]
    generator = OneToOne(k, truth["side"]).eval()
    data = rows_of(read_npz(os.path.join(folder, "test.npz")))
    square, length, failed = mean * mean + spread * spread, mean * math.sqrt(k), []
    print(f"{'':18} |z|^2/k  along m  across m   Frechet distance (fresh exact draws)")
    print(f"{'truth':18} {square:7.4f}  {1:7.4f}  {0:8.4f}")
    for method in sorted(os.listdir(os.path.join(run, "samples"))):
        if not os.path.exists(os.path.join(run, "samples", method, "latents.npz")):
            continue
        z = read_npz(os.path.join(run, "samples", method, "latents.npz"))
        x = read_npz(os.path.join(run, "samples", method, "samples.npz"))
        found, centre = float(z.double().square().mean()), z.double().mean(0)
        along = float(centre.mean()) / mean
        across = float((centre - along * mean).norm()) / length
        fresh = sum(frechet(rows_of(exact_draws(generator, k, len(x), 100 + i)[1]), data) for i in range(5)) / 5
        distance = frechet(rows_of(x), data)
        print(f"{method:18} {found:7.4f}  {along:7.4f}  {across:8.4f}   {distance:.5f} ({fresh:.5f})")
        if method in methods and not (abs(found / square - 1) <= allowed["square"] and abs(along - 1) <= allowed["direction"]
                                      and across <= allowed["direction"] and distance <= allowed["fd"] * fresh):
            failed.append(method)
    missing = [m for m in methods if not os.path.exists(os.path.join(run, "samples", m, "latents.npz"))]
    if failed or missing:
        sys.exit(f"off by more than is allowed: {', '.join(failed)}" if failed else f"no samples of: {', '.join(missing)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    writing = commands.add_parser("write")
    writing.add_argument("folder")
    for name, default in (("--latent-dim", 8), ("--side", 0), ("--train", 60000), ("--test", 10000)):
        writing.add_argument(name, type=int, default=default)
    checking = commands.add_parser("check")
    checking.add_argument("folder")
    checking.add_argument("run")
    checking.add_argument("--methods", default="mala,isir")
    for name, default in (("--square", 0.03), ("--direction", 0.05), ("--fd", 2.0)):
        checking.add_argument(name, type=float, default=default)
    a = parser.parse_args()
    torch.set_num_threads(1)
    if a.command == "write":
        write(a.folder, a.latent_dim, a.side, a.train, a.test)
    else:
        check(a.folder, a.run, a.methods.split(","), {"square": a.square, "direction": a.direction, "fd": a.fd})


if __name__ == "__main__":
    main()
