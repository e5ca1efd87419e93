"""The GANs of configs/cifar10-sngan.yaml, cifar10-sndcgan.yaml, cifar10-biggan.yaml and gaussians25-paper.yaml in plain
PyTorch, with torch's own spectral norm: what the benchmarks compare with.
"""
import torch
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


def labels_of(batch):
    """A class of ten for every sample, the same for G and D."""
    return torch.arange(len(batch)) % 10


class ModulatedNorm(nn.Module):
    def __init__(self, c, k):
        super().__init__()
        self.norm = nn.BatchNorm2d(c, affine=False, eps=1e-4)
        self.gain, self.offset = (sn(nn.Linear(k, c, bias=False)) for _ in range(2))

    def forward(self, x, k):
        return torch.addcmul(self.offset(k)[:, :, None, None], self.norm(x), 1 + self.gain(k)[:, :, None, None])


class ModulatedUp(nn.Module):
    def __init__(self, c, k):
        super().__init__()
        self.n1, self.n2 = ModulatedNorm(c, k), ModulatedNorm(c, k)
        self.c1, self.c2 = sn(nn.Conv2d(c, c, 3, padding=1)), sn(nn.Conv2d(c, c, 3, padding=1))
        self.s = sn(nn.Conv2d(c, c, 1))

    def forward(self, x, k):
        h = self.c1(F.interpolate(F.relu(self.n1(x, k)), scale_factor=2))
        return self.c2(F.relu(self.n2(h, k))) + self.s(F.interpolate(x, scale_factor=2))


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.query, self.key = (sn(nn.Conv2d(c, c // 8, 1, bias=False)) for _ in range(2))
        self.value, self.out = sn(nn.Conv2d(c, c // 2, 1, bias=False)), sn(nn.Conv2d(c // 2, c, 1, bias=False))
        self.strength = nn.Parameter(torch.full((1,), 0.1))

    def forward(self, x):
        key, value = F.max_pool2d(self.key(x), 2).flatten(2), F.max_pool2d(self.value(x), 2).flatten(2)
        weights = torch.bmm(self.query(x).flatten(2).transpose(1, 2), key).softmax(2)
        seen = torch.bmm(value, weights.transpose(1, 2)).unflatten(2, x.shape[2:])
        return x + self.strength * self.out(seen)


class BigGanG(nn.Module):
    """Four latent parts of 20: the first makes the 4x4 map, one more conditions each block, beside the embedded class."""
    def __init__(self, c=384, part=20, embedding=128):
        super().__init__()
        self.part, self.c = part, c
        self.embedding, self.first = nn.Embedding(10, embedding), sn(nn.Linear(part, 16 * c))
        self.blocks = nn.ModuleList(ModulatedUp(c, embedding + part) for _ in range(3))
        self.attention = Attention(c)
        self.last = nn.Sequential(nn.BatchNorm2d(c, eps=1e-4), nn.ReLU(), sn(nn.Conv2d(c, 3, 3, padding=1)), nn.Tanh())

    def forward(self, z):
        head, *parts = z.split(self.part, 1)
        label = self.embedding(labels_of(z))
        x = self.first(head).unflatten(1, (self.c, 4, 4))
        for i, (block, part) in enumerate(zip(self.blocks, parts)):
            x = block(x, torch.cat((label, part), 1))
            if i == 1:   # at 16x16
                x = self.attention(x)
        return self.last(x)


class BigGanD(nn.Module):
    def __init__(self, c=192):
        super().__init__()
        self.features = nn.Sequential(Down(3, c, True, True), Attention(c), Down(c, c, True, False),
                                      Down(c, c, False, False), Down(c, c, False, False), nn.ReLU(), SumPool())
        self.logit, self.label = sn(nn.Linear(c, 1)), sn(nn.Embedding(10, c))

    def forward(self, x):
        h = self.features(x)
        return self.logit(h)[:, 0] + (self.label(labels_of(x)) * h).sum(1)


def biggan():
    return BigGanG(), BigGanD()


def mlp():
    def perceptron(*widths):
        layers = [m for a, b in zip(widths, widths[1:]) for m in (nn.Linear(a, b), nn.ReLU())]
        return nn.Sequential(*layers[:-1])
    return perceptron(2, 256, 256, 256, 2), perceptron(2, 512, 512, 512, 1)


NETWORKS = {"sn_resnet": sn_resnet, "sn_dcgan": sn_dcgan, "biggan": biggan, "mlp": mlp}
LATENT_DIM = {"sn_resnet": 128, "sn_dcgan": 128, "biggan": 80, "mlp": 2}
