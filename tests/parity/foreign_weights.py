"""foreign_weights.py LOADER CONFIGS FOLDER: networks in plain torch.nn whose modules are named as in public repositories. Their
weights, in .safetensors as a user would export them, must give the same outputs in ours through the maps in CONFIGS."""
import ctypes
import json
import os
import struct
import subprocess
import sys

try:
    import torch
    import torch.nn as nn
    import torch.nn.functional as F
    from torch.nn.utils import spectral_norm
except Exception as problem:  # another Python than the wheel's, or a wheel that brings no Python parts
    print(f"skipped: this Python cannot import torch: {problem}")
    sys.exit(77)

TOLERANCE = 1e-5  # float32, of the norm
TYPES = {torch.float32: "F32", torch.int64: "I64"}


def write_safetensors(path, tensors):
    header, data = {}, b""
    for name, t in tensors.items():
        t = t.detach().contiguous()
        raw = ctypes.string_at(t.data_ptr(), t.numel() * t.element_size())  # the wheel alone has no numpy
        header[name] = {"dtype": TYPES[t.dtype], "shape": list(t.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def read_safetensors(path):
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = bytearray(file.read())
    header.pop("__metadata__", None)
    return {n: torch.frombuffer(data[slice(*e["data_offsets"])], dtype=torch.float32).reshape(e["shape"])
            for n, e in header.items()}


def conv(a, b, k, sn=lambda layer: layer, bias=True):
    return sn(nn.Conv2d(a, b, k, padding=k // 2, bias=bias))


def pool(x):
    return F.avg_pool2d(x, 2)


# The names of kwotsin/mimicry: SNGAN, 32 pixels. It enlarges bilinearly.
class MimicryUp(nn.Module):
    def __init__(self, w):
        super().__init__()
        self.b1, self.b2 = nn.BatchNorm2d(w), nn.BatchNorm2d(w)
        self.c1, self.c2, self.c_sc = conv(w, w, 3), conv(w, w, 3), conv(w, w, 1)

    def forward(self, x):
        big = lambda t: F.interpolate(t, scale_factor=2, mode="bilinear", align_corners=False)
        return self.c2(F.relu(self.b2(self.c1(big(F.relu(self.b1(x))))))) + self.c_sc(big(x))


class MimicryG(nn.Module):
    def __init__(self, w):
        super().__init__()
        self.l1 = nn.Linear(128, 16 * w)
        self.block2, self.block3, self.block4 = MimicryUp(w), MimicryUp(w), MimicryUp(w)
        self.b5, self.c5 = nn.BatchNorm2d(w), conv(w, 3, 3)

    def forward(self, z, y):
        h = self.l1(z).view(len(z), -1, 4, 4)
        h = self.block4(self.block3(self.block2(h)))
        return torch.tanh(self.c5(F.relu(self.b5(h))))


class Down(nn.Module):
    """A discriminator block; `names` are those of the two convolutions and the shortcut."""

    def __init__(self, a, b, first, down, names):
        super().__init__()
        self.first, self.down, self.names = first, down, names
        for name, layer in zip(names, (conv(a, b, 3, spectral_norm), conv(b, b, 3, spectral_norm))):
            self.add_module(name, layer)
        if down or a != b:
            self.add_module(names[2], conv(a, b, 1, spectral_norm))

    def forward(self, x):
        c1, c2, shortcut = (getattr(self, name, None) for name in self.names)
        h = c2(F.relu(c1(x if self.first else F.relu(x))))
        if self.down:
            h = pool(h)
        if shortcut is not None:
            x = shortcut(pool(x)) if self.first else pool(shortcut(x)) if self.down else shortcut(x)
        return h + x


class MimicryD(nn.Module):
    def __init__(self, w):
        super().__init__()
        for i in range(4):
            self.add_module(f"block{i + 1}", Down(w if i else 3, w, i == 0, i < 2, ("c1", "c2", "c_sc")))
        self.l5 = spectral_norm(nn.Linear(w, 1))

    def forward(self, x, y):
        for i in range(4):
            x = getattr(self, f"block{i + 1}")(x)
        return self.l5(F.relu(x).sum((2, 3)))[:, 0]


# The names of POSTECH-CVLab/PyTorch-StudioGAN.
class ClassNorm(nn.Module):
    def __init__(self, classes, w):
        super().__init__()
        self.bn = nn.BatchNorm2d(w, eps=1e-4, affine=False)
        self.embed0, self.embed1 = nn.Embedding(classes, w), nn.Embedding(classes, w)

    def forward(self, x, y):
        return self.bn(x) * (1 + self.embed0(y))[:, :, None, None] + self.embed1(y)[:, :, None, None]


class VectorNorm(nn.Module):
    def __init__(self, k, w):
        super().__init__()
        self.bn = nn.BatchNorm2d(w, eps=1e-4, affine=False)
        self.gain, self.bias = (spectral_norm(nn.Linear(k, w, bias=False)) for _ in range(2))

    def forward(self, x, y):
        return self.bn(x) * (1 + self.gain(y))[:, :, None, None] + self.bias(y)[:, :, None, None]


class StudioUp(nn.Module):
    def __init__(self, w, norm, sn):
        super().__init__()
        self.bn1, self.bn2 = norm(w), norm(w)
        self.conv2d0, self.conv2d1, self.conv2d2 = conv(w, w, 1, sn), conv(w, w, 3, sn), conv(w, w, 3, sn)

    def forward(self, x, y):
        big = lambda t: F.interpolate(t, scale_factor=2, mode="nearest")
        return self.conv2d2(F.relu(self.bn2(self.conv2d1(big(F.relu(self.bn1(x, y)))), y))) + self.conv2d0(big(x))


class Attention(nn.Module):
    def __init__(self, w):
        super().__init__()
        for name, a, b in (("theta", w, w // 8), ("phi", w, w // 8), ("g", w, w // 2), ("attn", w // 2, w)):
            self.add_module("conv1x1_" + name, conv(a, b, 1, spectral_norm, bias=False))
        self.sigma = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        n, w, side, _ = x.shape
        theta = self.conv1x1_theta(x).flatten(2)
        phi = F.max_pool2d(self.conv1x1_phi(x), 2).flatten(2)
        g = F.max_pool2d(self.conv1x1_g(x), 2).flatten(2)
        mixed = g @ (theta.transpose(1, 2) @ phi).softmax(2).transpose(1, 2)
        return x + self.sigma * self.conv1x1_attn(mixed.view(n, w // 2, side, side))


def nested(blocks):
    return nn.ModuleList([nn.ModuleList([block]) for block in blocks])


class StudioG(nn.Module):
    def __init__(self, w, z, classes, shared, attention_after):
        super().__init__()
        self.big = shared > 0
        sn = spectral_norm if self.big else lambda layer: layer
        part = z // 4 if self.big else z
        norm = (lambda c: VectorNorm(part + shared, c)) if self.big else (lambda c: ClassNorm(classes, c))
        self.linear0 = sn(nn.Linear(part, 16 * w))
        if self.big:
            self.shared = nn.Embedding(classes, shared)
        blocks = []
        for i in range(3):
            blocks.append(StudioUp(w, norm, sn))
            if i + 1 == attention_after:
                blocks.append(Attention(w))
        self.blocks = nested(blocks)
        self.bn4, self.conv2d5 = nn.BatchNorm2d(w, eps=1e-4), conv(w, 3, 3, sn)

    def forward(self, z, y):
        parts = list(z.chunk(4, 1)) if self.big else [z]
        h = self.linear0(parts.pop(0)).view(len(z), -1, 4, 4)
        for entry in self.blocks:
            block = entry[0]
            if isinstance(block, Attention):
                h = block(h)
            else:
                h = block(h, torch.cat([self.shared(y), parts.pop(0)], 1) if self.big else y)
        return torch.tanh(self.conv2d5(F.relu(self.bn4(h))))


class StudioD(nn.Module):
    def __init__(self, w, classes, attention_after):
        super().__init__()
        blocks = []
        for i in range(4):
            blocks.append(Down(w if i else 3, w, i == 0, i < 2, ("conv2d1", "conv2d2", "conv2d0")))
            if i + 1 == attention_after:
                blocks.append(Attention(w))
        self.blocks = nested(blocks)
        self.linear1, self.embedding = spectral_norm(nn.Linear(w, 1)), spectral_norm(nn.Embedding(classes, w))

    def forward(self, x, y):
        for entry in self.blocks:
            x = entry[0](x)
        h = F.relu(x).sum((2, 3))
        return self.linear1(h)[:, 0] + (self.embedding(y) * h).sum(1)


def unsettle(net):
    """Everything that initial weights leave at 0 or 1 gets values of its own; power iterations move u and v."""
    for name, t in list(net.named_parameters()) + list(net.named_buffers()):
        if t.dtype.is_floating_point and not name.endswith(("weight_u", "weight_v")):
            noise = torch.randn(t.shape)
            t.data.copy_(torch.exp(0.3 * noise) if name.endswith("running_var")
                         else 0.3 * noise if t.dim() < 2 or "embed" in name else t + 0.05 * noise)
    net.train()
    for module in net.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()
    return net


CASES = {
    "mimicry-sngan32": (lambda: MimicryG(24), lambda: MimicryD(16), 128, 0, 24, 16),
    "studiogan-sngan32": (lambda: StudioG(24, 128, 10, 0, None), lambda: StudioD(16, 10, None), 128, 10, 24, 16),
    "studiogan-biggan32": (lambda: StudioG(24, 80, 10, 128, 2), lambda: StudioD(16, 10, 1), 80, 10, 24, 16),
}


def main():
    loader, configs, folder = sys.argv[1:]
    os.makedirs(folder, exist_ok=True)
    failures = []
    at = lambda name: os.path.join(folder, name + ".safetensors")
    for name, (make_g, make_d, latent, classes, g_width, d_width) in CASES.items():
        torch.manual_seed(3)
        g, d = unsettle(make_g()), unsettle(make_d())
        z, y = torch.randn(5, latent), torch.arange(5)
        with torch.no_grad():
            for _ in range(3):
                d(g(z, y), y)  # power iterations of training
            g.eval(), d.eval()
            images = g(z, y)
            logits = d(images, y)
        inputs = {"z": z}
        if classes:
            inputs["label"] = y
        write_safetensors(at("in"), inputs)
        options = [f"model.generator_widths=[{', '.join([str(g_width)] * 4)}]",
                   f"model.discriminator_widths=[{', '.join([str(d_width)] * 4)}]"]

        def run(g_state, d_state):
            write_safetensors(at("g"), g_state)
            write_safetensors(at("d"), d_state)
            command = [loader, os.path.join(configs, name + ".yaml"), at("g"), at("d"), at("in"), at("out")] + options
            return subprocess.run(command, capture_output=True, text=True)

        def compare(what, tolerance=TOLERANCE):
            ours = read_safetensors(at("out"))
            for key, theirs in (("g", images), ("d", logits)):
                error = ((ours[key] - theirs).norm() / theirs.norm()).item()
                print(f"{name}, {what}: {key} differs by {error:.1e} of the norm")
                if not error <= tolerance:
                    failures.append(f"{name}, {what}: {key} differs by {error:.1e}")

        done = run(g.state_dict(), d.state_dict())
        if done.returncode:
            failures.append(f"{name}: {done.stderr}")
            continue
        compare("all tensors")
        # v follows from u; without both they are found anew, as in a settled network.
        if run(g.state_dict(), {k: v for k, v in d.state_dict().items() if not k.endswith("weight_v")}).returncode:
            failures.append(f"{name}: v cannot be left out")
        missing = dict(d.state_dict())
        missing.pop(next(k for k in missing if k.endswith("bias")))
        done = run(g.state_dict(), missing)
        if done.returncode != 65 or "no tensor" not in done.stderr:
            failures.append(f"{name}: a missing tensor gives {done.returncode}: {done.stderr}")
        done = run(g.state_dict(), {**d.state_dict(), "stray": torch.zeros(1)})
        if done.returncode != 65 or "'stray'" not in done.stderr:
            failures.append(f"{name}: a stray tensor gives {done.returncode}: {done.stderr}")
    for file in ("in", "out", "g", "d"):
        if os.path.exists(at(file)):
            os.remove(at(file))
    print("\n".join(failures))
    sys.exit(bool(failures))


main()
