"""The GANs of configs/ in plain PyTorch, with torch's own spectral norm: what the benchmarks compare with, and what
tests/parity holds our networks against.

They follow the publications and not our code; names of parameters are ours, so that weights can be put in. Labels are the second
argument of G and D.
"""
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils.parametrizations import spectral_norm


def plain(layer):
    return layer


class UpBlock(nn.Module):
    def __init__(self, a, b, norm, sn=plain):
        super().__init__()
        self.norm1, self.norm2 = norm(a), norm(b)
        self.conv1, self.conv2 = sn(nn.Conv2d(a, b, 3, padding=1)), sn(nn.Conv2d(b, b, 3, padding=1))
        self.shortcut = sn(nn.Conv2d(a, b, 1))

    def forward(self, x, y):
        h = F.relu(self.norm1(x, y))
        h = self.conv1(F.interpolate(h, scale_factor=2))
        h = self.conv2(F.relu(self.norm2(h, y)))
        return h + self.shortcut(F.interpolate(x, scale_factor=2))


class DownBlock(nn.Module):
    def __init__(self, a, b, between, first, down, sn):
        super().__init__()
        self.first, self.down = first, down
        self.conv1 = sn(nn.Conv2d(a, between, 3, padding=1))
        self.conv2 = sn(nn.Conv2d(between, b, 3, padding=1))
        self.shortcut = sn(nn.Conv2d(a, b, 1)) if down or a != b else nn.Identity()

    def forward(self, x):
        pool = nn.AvgPool2d(2) if self.down else nn.Identity()
        h = pool(self.conv2(F.relu(self.conv1(x if self.first else F.relu(x)))))
        return h + (self.shortcut(pool(x)) if self.first else pool(self.shortcut(x)))


class Norm(nn.BatchNorm2d):
    def forward(self, x, y=None):
        return super().forward(x)


class ClassNorm(nn.Module):
    def __init__(self, classes, c):
        super().__init__()
        self.bn = nn.BatchNorm2d(c, affine=False)
        self.gains, self.offsets = nn.Embedding(classes, c), nn.Embedding(classes, c)

    def forward(self, x, y):
        return self.bn(x) * self.gains(y)[:, :, None, None] + self.offsets(y)[:, :, None, None]


class VectorNorm(nn.Module):
    def __init__(self, k, c):
        super().__init__()
        self.bn = nn.BatchNorm2d(c, affine=False, eps=1e-4)
        self.gain, self.offset = (spectral_norm(nn.Linear(k, c, bias=False)) for _ in range(2))

    def forward(self, x, y):
        return torch.addcmul(self.offset(y)[:, :, None, None], self.bn(x), 1 + self.gain(y)[:, :, None, None])


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.query, self.key = (spectral_norm(nn.Conv2d(c, c // 8, 1, bias=False)) for _ in range(2))
        self.value = spectral_norm(nn.Conv2d(c, c // 2, 1, bias=False))
        self.output = spectral_norm(nn.Conv2d(c // 2, c, 1, bias=False))
        self.strength = nn.Parameter(torch.full((1,), 0.1))

    def forward(self, x):
        key, value = F.max_pool2d(self.key(x), 2).flatten(2), F.max_pool2d(self.value(x), 2).flatten(2)
        weights = torch.bmm(self.query(x).flatten(2).transpose(1, 2), key).softmax(2)
        seen = torch.bmm(value, weights.transpose(1, 2)).unflatten(2, x.shape[2:])
        return x + self.strength * self.output(seen)


def image_of(flat, width):  # ours lie channels-last; a benchmark chooses its own layout afterwards
    side = int((flat.shape[1] // width) ** 0.5)
    return flat.reshape(len(flat), side, side, width).permute(0, 3, 1, 2).contiguous()


def labels_of(batch):
    """Where none are given: a class of ten for every sample, the same for G and D."""
    return torch.arange(len(batch)) % 10


class ResnetG(nn.Module):
    def __init__(self, widths, bottom, norm):
        super().__init__()
        self.width = widths[0]
        self.linear = nn.Linear(128, bottom * bottom * widths[0])
        for i, (a, b) in enumerate(zip(widths, widths[1:])):
            setattr(self, f"block{i}", UpBlock(a, b, norm))
        self.blocks = len(widths) - 1
        self.norm, self.last = Norm(widths[-1]), nn.Conv2d(widths[-1], 3, 3, padding=1)

    def forward(self, z, y=None):
        h = image_of(self.linear(z), self.width)
        for i in range(self.blocks):
            h = getattr(self, f"block{i}")(h, y)
        return torch.tanh(self.last(F.relu(self.norm(h))))


class ResnetD(nn.Module):
    def __init__(self, widths, downs, classes, sn, pool, bias, wide=False, attention_after=None):
        super().__init__()
        for i, (a, b) in enumerate(zip([3] + widths, widths)):
            setattr(self, f"block{i}", DownBlock(a, b, b if wide or i == 0 else a, i == 0, i < downs, sn))
        self.blocks, self.pool, self.attention_after = len(widths), pool, attention_after
        if attention_after is not None:
            self.attention = Attention(widths[attention_after])
        self.logit = sn(nn.Linear(widths[-1], 1, bias=bias))
        self.label = sn(nn.Embedding(classes, widths[-1])) if classes else None

    def forward(self, x, y=None):
        if y is None and self.label is not None:
            y = labels_of(x)
        for i in range(self.blocks):
            x = getattr(self, f"block{i}")(x)
            if i == self.attention_after:
                x = self.attention(x)
        h = self.pool(F.relu(x), (2, 3))
        out = self.logit(h)[:, 0]
        return out if self.label is None else out + (self.label(y) * h).sum(1)


class BigGanG(nn.Module):
    def __init__(self, widths, part, embed, classes, attention_after):
        super().__init__()
        self.part, self.width, self.attention_after = part, widths[0], attention_after
        self.embedding = nn.Embedding(classes, embed)
        self.linear = spectral_norm(nn.Linear(part, 16 * widths[0]))
        for i, (a, b) in enumerate(zip(widths, widths[1:])):
            setattr(self, f"block{i}", UpBlock(a, b, lambda c: VectorNorm(embed + part, c), spectral_norm))
        self.blocks = len(widths) - 1
        self.attention = Attention(widths[attention_after + 1])
        self.norm = Norm(widths[-1], eps=1e-4)
        self.last = spectral_norm(nn.Conv2d(widths[-1], 3, 3, padding=1))

    def forward(self, z, y=None):
        parts, shared = z.split(self.part, 1), self.embedding(labels_of(z) if y is None else y)
        h = image_of(self.linear(parts[0]), self.width)
        for i in range(self.blocks):
            h = getattr(self, f"block{i}")(h, torch.cat((shared, parts[i + 1]), 1))
            if i == self.attention_after:
                h = self.attention(h)
        return torch.tanh(self.last(F.relu(self.norm(h))))


class DcganG(nn.Module):
    def __init__(self):
        super().__init__()
        widths = (512, 256, 128, 64)
        self.linear = nn.Linear(128, 16 * 512)
        for i, c in enumerate(widths):
            setattr(self, f"norm{i}", Norm(c))
        for i, (a, b) in enumerate(zip(widths, widths[1:])):
            setattr(self, f"up{i}", nn.ConvTranspose2d(a, b, 4, 2, 1))
        self.last = nn.Conv2d(64, 3, 3, padding=1)

    def forward(self, z, y=None):
        h = F.relu(self.norm0(image_of(self.linear(z), 512)))
        for i in range(3):
            h = F.relu(getattr(self, f"norm{i + 1}")(getattr(self, f"up{i}")(h)))
        return torch.tanh(self.last(h))


class DcganD(nn.Module):
    def __init__(self):
        super().__init__()
        widths = (3, 64, 128, 128, 256, 256, 512, 512)
        for i, (a, b) in enumerate(zip(widths, widths[1:])):  # 3x3 and strided 4x4 in turn
            setattr(self, f"conv{i}", spectral_norm(nn.Conv2d(a, b, 3 + i % 2, 1 + i % 2, 1)))
        self.logit = spectral_norm(nn.Linear(512 * 16, 1))

    def forward(self, x, y=None):
        for i in range(7):
            x = F.leaky_relu(getattr(self, f"conv{i}")(x), 0.2)
        return self.logit(x.permute(0, 2, 3, 1).flatten(1))[:, 0]


class CganG(nn.Module):
    def __init__(self):
        super().__init__()
        self.label = nn.Embedding(10, 16)
        widths = (116, 128, 256, 512, 1024)
        for i, (a, b) in enumerate(zip(widths, widths[1:])):
            setattr(self, f"layer{i}", nn.Linear(a, b))
            if i > 0:
                setattr(self, f"norm{i}", nn.BatchNorm1d(b))
        self.last = nn.Linear(1024, 784)

    def forward(self, z, y):
        h = F.leaky_relu(self.layer0(torch.cat((z, self.label(y)), 1)), 0.2)
        for i in (1, 2, 3):
            h = F.leaky_relu(getattr(self, f"norm{i}")(getattr(self, f"layer{i}")(h)), 0.2)
        return torch.tanh(self.last(h)).reshape(-1, 1, 28, 28)


class CganD(nn.Module):
    def __init__(self):
        super().__init__()
        self.label = nn.Embedding(10, 16)
        self.layer0, self.layer1, self.layer2 = nn.Linear(800, 512), nn.Linear(512, 512), nn.Linear(512, 512)
        self.logit = nn.Linear(512, 1)

    def forward(self, x, y):
        h = torch.cat((x.flatten(1), self.label(y)), 1)
        for layer in (self.layer0, self.layer1, self.layer2):
            h = F.leaky_relu(layer(h), 0.2)
        return self.logit(h)[:, 0]


def class_norm(classes):
    return lambda c: ClassNorm(classes, c)


def sn_resnet():
    """configs/cifar10-sngan.yaml."""
    return ResnetG([256] * 4, 4, Norm), ResnetD([128] * 4, 2, 0, spectral_norm, torch.sum, False)


def sn_dcgan():
    """configs/cifar10-sndcgan.yaml."""
    return DcganG(), DcganD()


def biggan():
    """configs/cifar10-biggan.yaml."""
    return (BigGanG([384] * 4, 20, 128, 10, 1),
            ResnetD([192] * 4, 2, 10, spectral_norm, torch.sum, True, wide=True, attention_after=0))


def mlp():
    """configs/gaussians25-paper.yaml."""
    def perceptron(*widths):
        layers = [m for a, b in zip(widths, widths[1:]) for m in (nn.Linear(a, b), nn.ReLU())]
        return nn.Sequential(*layers[:-1])
    return perceptron(2, 256, 256, 256, 2), perceptron(2, 512, 512, 512, 1)


NETWORKS = {"sn_resnet": sn_resnet, "sn_dcgan": sn_dcgan, "biggan": biggan, "mlp": mlp}
LATENT_DIM = {"sn_resnet": 128, "sn_dcgan": 128, "biggan": 80, "mlp": 2}
