"""gaussian_ratio.pt2: G(z) = A z, whose data are A z with z ~ N(m, s^2 I), so that the log-ratio is a quadratic that tests know.

  PYTHONPATH=tools python3 tests/data/make_pt2_fixture.py tests/data/gaussian_ratio.pt2
"""
import math
import sys

import torch
from torch import nn

from export_gan import export_gan

A, M, S = torch.tensor([[2.0, 0.5], [0.0, 1.0]]), torch.tensor([0.6, -0.3]), 0.5


class Generator(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("a", A)

    def forward(self, z):
        return z @ self.a.T


class LogRatio(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("inverse", torch.linalg.inv(A))
        self.register_buffer("m", M)

    def forward(self, x):
        z = x @ self.inverse.T
        return 0.5 * z.square().sum(1) - (z - self.m).square().sum(1) / (2 * S * S) - 2 * math.log(S)


export_gan(Generator(), LogRatio(), sys.argv[1], latent_dim=2)
