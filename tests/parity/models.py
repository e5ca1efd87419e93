"""models.py EXPORTER FOLDER: the networks that EXPORTER writes, defined once more in plain torch.nn after the publications
(bench/torch_networks.py), under the same weights: outputs and gradients must agree, and the parameter counts with the published ones."""
import json
import os
import struct
import subprocess
import sys

try:
    import torch
    import torch.nn as nn
    from torch.nn.utils.parametrizations import spectral_norm
except Exception as problem:  # another Python than the wheel's, or a wheel that brings no Python parts
    print(f"skipped: this Python cannot import torch: {problem}")
    sys.exit(77)
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../bench"))
from torch_networks import (BigGanG, CganD, CganG, DcganD, DcganG, Norm, ResnetD, ResnetG,  # noqa: E402
                            class_norm, plain)

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


W64, D64 = [1024, 512, 256, 128, 64], [64, 128, 256, 512, 1024]
MODELS = {  # generator, discriminator, their parameters
    "sn_resnet32": (lambda: ResnetG([256] * 4, 4, Norm),
                    lambda: ResnetD([128] * 4, 2, 0, spectral_norm, torch.sum, False), 4276739, None),
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


def chain_step_flops(g, d, z, y):
    """Twice the forward of both networks, 2 per multiply-add of convolutions and linear layers, for one sample."""
    multiply_adds = []

    def count(module, inputs, output):
        positions = (inputs[0] if isinstance(module, nn.ConvTranspose2d) else output).shape[2:].numel()
        multiply_adds.append(module.weight.numel() * positions)

    hooks = [m.register_forward_hook(count) for net in (g, d) for m in net.modules()
             if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear))]
    with torch.no_grad():
        d(g(z, y), y)
    for hook in hooks:
        hook.remove()
    return 4 * sum(multiply_adds)


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
        flops = chain_step_flops(g, d, z[:1], y if y is None else y[:1])
        if flops != t["flops"].item():
            failures.append(f"{name}: {t['flops'].item()} FLOPs per chain-step, here {flops}")
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
        print(f"{name}: G {counts[0]} parameters, D {counts[1]}, {flops / 1e9:.4g} GFLOP per chain-step; largest relative difference {worst:.1e}, "
              f"float32 {float32:.1e}")
    print("\n".join(failures))
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
