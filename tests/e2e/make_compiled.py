"""Writes, into the current folder, the archives of compiled_test.sh: points whose programs are there as native code, too."""
import sys

import torch
from torch import nn

from archives import repacked
from export_gan import export_gan as export
from gan_conventions import Refused

torch.set_num_threads(1)
torch.manual_seed(0)
G = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 2))
D = nn.Sequential(nn.Linear(2, 16), nn.SiLU(), nn.Linear(16, 1))
export(G, D, "gan.pt2", latent_dim=4, aot=("ratio_grad",))

PLACE = "data/aotinductor/ratio_grad/"


def library(change):
    """The code of `ratio_grad` by change(its bytes)."""
    return lambda name, data: change(data) if PLACE in name and name.endswith(".so") else data


def other_weights(code):
    weights = bytes(G[2].weight.detach().contiguous().view(torch.uint8).flatten().tolist())
    assert code.count(weights) == 1, "the weights are not in the code as they are"
    return code.replace(weights, bytes((G[2].weight.detach() * 1.01).contiguous().view(torch.uint8).flatten().tolist()))


def other_machine(name, data):
    if not name.endswith("_metadata.json"):
        return data
    for known in (b"AVX512", b"AVX2"):
        data = data.replace(known, b"SVE256")
    return data


repacked("gan.pt2", "machine.pt2", entries=other_machine)
repacked("gan.pt2", "no_code.pt2", entries=library(lambda code: b"no library at all"))
repacked("gan.pt2", "weights.pt2", entries=library(other_weights))
repacked("gan.pt2", "no_metadata.pt2", drop=("_metadata.json",))


def other_torch(description):
    description["torch"] = "2.10.0"
    return description


repacked("gan.pt2", "torch.pt2", other_torch)


class Modulated(nn.Module):
    """StyleGAN2's layer: weights for each sample, as one convolution with a group for each."""

    def __init__(self):
        super().__init__()
        self.style, self.weight = nn.Linear(4, 3), nn.Parameter(torch.randn(1, 3, 3, 3))

    def forward(self, z):
        n = z.shape[0]
        weight = self.weight[None] * self.style(z)[:, None, :, None, None]
        images = torch.conv2d(weight.reshape(1, n * 3, 3, 3), weight.reshape(n, 3, 3, 3), padding=1, groups=n)
        return torch.tanh(images.reshape(n, 1, 3, 3))


try:
    export(Modulated(), None, "modulated.pt2", latent_dim=4, aot=True)
    sys.exit("a convolution with a group for each sample was compiled")
except Refused as refusal:
    assert "whose groups are the samples of a batch" in str(refusal), refusal
torch.jit.trace(G, torch.zeros(3, 4)).save("G.pt")
torch.jit.trace(D, torch.zeros(3, 2)).save("D.pt")
sys.stdout.flush()
