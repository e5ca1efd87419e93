"""models.py EXPORTER FOLDER: the networks that EXPORTER writes, defined once more in plain torch.nn after the publications,
under the same weights: outputs and gradients must agree, and the parameter counts with the published ones."""
import json
import os
import struct
import subprocess
import sys

try:
    import torch
    import torch.nn as nn
    import torch.nn.functional as F
    from torch.nn.utils.parametrizations import spectral_norm
except Exception as problem:  # another Python than the wheel's, or a wheel that brings no Python parts
    print(f"skipped: this Python cannot import torch: {problem}")
    sys.exit(77)

TOLERANCE = 1e-9          # float64, of the largest element (of a network's gradients: the largest of all of them, since
                          # biases before a batch norm have none but rounding)
TOLERANCE_FLOAT32 = 1e-5  # of the norm


def read_safetensors(path):
    types = {"F64": torch.float64, "F32": torch.float32, "I64": torch.int64}
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = bytearray(file.read())
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            flat = torch.frombuffer(data[begin:end], dtype=types[entry["dtype"]])
            tensors[name] = flat.reshape(entry["shape"])
    return tensors


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
        return self.bn(x) * (1 + self.gain(y))[:, :, None, None] + self.offset(y)[:, :, None, None]


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.query, self.key = (spectral_norm(nn.Conv2d(c, c // 8, 1, bias=False)) for _ in range(2))
        self.value = spectral_norm(nn.Conv2d(c, c // 2, 1, bias=False))
        self.output = spectral_norm(nn.Conv2d(c // 2, c, 1, bias=False))
        self.strength = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        n, c, h, w = x.shape
        q = self.query(x).reshape(n, c // 8, h * w)
        k = F.max_pool2d(self.key(x), 2).reshape(n, c // 8, h * w // 4)
        v = F.max_pool2d(self.value(x), 2).reshape(n, c // 2, h * w // 4)
        a = torch.einsum("ncp,ncq->npq", q, k).softmax(2)
        return x + self.strength * self.output(torch.einsum("npq,ncq->ncp", a, v).reshape(n, c // 2, h, w))


def image_of(flat, width):  # ours lie channels-last
    side = int((flat.shape[1] // width) ** 0.5)
    return flat.reshape(len(flat), side, side, width).permute(0, 3, 1, 2)


class ResnetG(nn.Module):
    def __init__(self, widths, bottom, norm):
        super().__init__()
        self.width = widths[0]
        self.linear = nn.Linear(128, bottom * bottom * widths[0])
        for i, (a, b) in enumerate(zip(widths, widths[1:])):
            setattr(self, f"block{i}", UpBlock(a, b, norm))
        self.blocks = len(widths) - 1
        self.norm, self.last = Norm(widths[-1]), nn.Conv2d(widths[-1], 3, 3, padding=1)

    def forward(self, z, y):
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

    def forward(self, x, y):
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

    def forward(self, z, y):
        parts, shared = z.split(self.part, 1), self.embedding(y)
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

    def forward(self, z, y):
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

    def forward(self, x, y):
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


W64, D64 = [1024, 512, 256, 128, 64], [64, 128, 256, 512, 1024]
MODELS = {  # generator, discriminator, their parameters
    "sn_resnet32": (lambda: ResnetG([256] * 4, 4, Norm),
                    lambda: ResnetD([128] * 4, 2, 0, spectral_norm, torch.sum, False), 4276739, 1053056),
    "sn_resnet32_conditional": (lambda: ResnetG([256] * 4, 4, class_norm(10)),
                                lambda: ResnetD([128] * 4, 2, 10, spectral_norm, torch.sum, True), None, None),
    "sn_resnet64": (lambda: ResnetG(W64, 4, class_norm(10)),
                    lambda: ResnetD(D64, 5, 10, spectral_norm, torch.sum, True), None, None),
    "wgangp_resnet32": (lambda: ResnetG([128] * 4, 4, Norm),
                        lambda: ResnetD([128] * 4, 2, 0, plain, torch.mean, True), None, None),
    "sn_dcgan32": (DcganG, DcganD, None, None),
    "biggan32": (lambda: BigGanG([384] * 4, 20, 128, 10, 1),
                 lambda: ResnetD([192] * 4, 2, 10, spectral_norm, torch.sum, True, True, 0), None, None),
    "mlp_cgan": (CganG, CganD, None, None),
}


def load(net, tensors, prefix):
    """Puts our tensors into `net`; returns {our parameter name: its parameter}. Every tensor must find its place."""
    modules, found, left = dict(net.named_modules()), {}, {n for n in tensors if n.startswith(prefix)}
    for full in sorted(left):
        owner, _, kind = full[len(prefix):].rpartition(".")
        module, value = modules[owner], tensors[full]
        if kind in ("u", "v"):
            norm = module.parametrizations.weight[0]
            if kind == "v" and value.numel() != module.weight.flatten(1).shape[1]:
                raise SystemExit(f"{full}: {value.numel()} elements")
            if kind == "v" and module.weight.dim() == 4:  # ours runs over (height, width, inputs)
                _, i, h, w = module.weight.shape
                value = value.reshape(h, w, i).permute(2, 0, 1).flatten()
            target = getattr(norm, f"_{kind}")
        elif kind in ("mean", "variance"):
            bn = getattr(module, "bn", module)
            target = getattr(bn, "running_mean" if kind == "mean" else "running_var")
        elif kind in ("gains", "offsets"):
            target = found[full] = getattr(module, kind).weight
        elif kind == "weight" and hasattr(module, "parametrizations"):
            target = found[full] = module.parametrizations.weight.original
        else:
            target = found[full] = getattr(module, kind)
        if target.shape != value.shape:
            raise SystemExit(f"{full}: shape {tuple(value.shape)}, here {tuple(target.shape)}")
        target.data.copy_(value)
    if sum(p.numel() for p in found.values()) != sum(p.numel() for p in net.parameters()):
        raise SystemExit(f"{prefix}: the two definitions have different parameters")
    return found


def main():
    exporter, folder = sys.argv[1:]
    os.makedirs(folder, exist_ok=True)
    subprocess.run([exporter, folder], check=True)
    failures = []

    def compare(what, ours, theirs, scale=None):
        error = (ours - theirs).abs().max().item() / (scale or theirs.abs().max().item())
        if not error <= TOLERANCE:
            failures.append(f"{what}: differs by {error:.2e} of the largest element")
        return error

    for name, (make_g, make_d, g_count, d_count) in MODELS.items():
        path = os.path.join(folder, name + ".safetensors")
        t = read_safetensors(path)
        os.remove(path)
        g, d = make_g().double().eval(), make_d().double().eval()
        parameters = {**load(g, t, "g."), **load(d, t, "d.")}
        z, y = t["z"].clone().requires_grad_(True), t.get("label")
        with torch.no_grad():
            worst = compare(f"{name}: G in eval mode", t["out.g_eval"], g(z, y))
        for module in g.modules():  # batch statistics, but no power iteration
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.train()
        images = g(z, y)
        logits = d(images, y)
        (logits * torch.arange(1, len(logits) + 1, dtype=torch.float64)).sum().backward()
        worst = max(worst, compare(f"{name}: G", t["out.g"], images), compare(f"{name}: D", t["out.d"], logits),
                    compare(f"{name}: gradient of z", t["grad.z"], z.grad))
        float32 = ((t["out.g_float32"] - images).norm() / images.norm()).item()
        if not float32 <= TOLERANCE_FLOAT32:
            failures.append(f"{name}: G in float32 differs by {float32:.2e} of its norm")
        for prefix in ("g.", "d."):
            gradients = {key: p.grad for key, p in parameters.items() if key.startswith(prefix)}
            scale = max(gradient.abs().max().item() for gradient in gradients.values())
            for key, gradient in gradients.items():
                worst = max(worst, compare(f"{name}: gradient of {key}", t["grad." + key], gradient, scale))
        counts = [sum(p.numel() for p in net.parameters()) for net in (g, d)]
        for count, published in zip(counts, (g_count, d_count)):
            if published is not None and count != published:
                failures.append(f"{name}: {count} parameters, published {published}")
        print(f"{name}: G {counts[0]} parameters, D {counts[1]}; largest relative difference {worst:.1e}, "
              f"float32 {float32:.1e}")
    print("\n".join(failures))
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
