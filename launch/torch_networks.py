"""The GANs of configs/cifar10-sngan.yaml, cifar10-sndcgan.yaml and gaussians25-paper.yaml in plain PyTorch, with torch's own
spectral norm: what the benchmarks compare with.
"""
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
    return g, d


def sn_dcgan():
    g = [nn.Linear(128, 8192), nn.Unflatten(1, (512, 4, 4)), nn.BatchNorm2d(512), nn.ReLU()]
    for a, b in ((512, 256), (256, 128), (128, 64)):
        g += [nn.ConvTranspose2d(a, b, 4, 2, 1), nn.BatchNorm2d(b), nn.ReLU()]
    g += [nn.Conv2d(64, 3, 3, padding=1), nn.Tanh()]
    d, widths = [], (3, 64, 128, 128, 256, 256, 512, 512)
    for i, (a, b) in enumerate(zip(widths, widths[1:])):
        d += [sn(nn.Conv2d(a, b, 3 + i % 2, 1 + i % 2, 1)), nn.LeakyReLU(0.2)]
    return nn.Sequential(*g), nn.Sequential(*d, nn.Flatten(), sn(nn.Linear(512 * 16, 1)))


def mlp():
    def perceptron(*widths):
        layers = [m for a, b in zip(widths, widths[1:]) for m in (nn.Linear(a, b), nn.ReLU())]
        return nn.Sequential(*layers[:-1])
    return perceptron(2, 256, 256, 256, 2), perceptron(2, 512, 512, 512, 1)


NETWORKS = {"sn_resnet": sn_resnet, "sn_dcgan": sn_dcgan, "mlp": mlp}
LATENT_DIM = {"sn_resnet": 128, "sn_dcgan": 128, "mlp": 2}
