"""Layers of published GANs as ones that can be traced for any number of samples, in float32; for gan_families.py."""
import inspect

import torch
import torch.nn.functional as F
from torch import nn


def without_low_precision(network):
    """R3GAN names its types stage by stage."""
    for module in network.modules():
        if isinstance(getattr(module, "DataType", None), torch.dtype):
            module.DataType = torch.float32
    return network


def fold_spectral_norms(network):
    """Layers of mimicry and of BigGAN-PyTorch, which divide by the norm in each forward, as plain ones of the weight that they use."""
    plain = (nn.Conv2d, nn.Linear, nn.Embedding)
    for module in list(network.eval().modules()):
        used = getattr(module, "sn_weights", None) or getattr(module, "W_", None)
        kind = next((k for k in plain if isinstance(module, k)), None)
        if used is None or kind is None:
            continue
        with torch.no_grad():
            module.weight = nn.Parameter(used().detach().clone(), requires_grad=False)
        for name in [n for n in module._buffers if n.startswith(("sn_", "u", "sv"))]:
            del module._buffers[name]
        module.__class__ = kind
    return network


def takes(function, name):
    return name in inspect.signature(function).parameters


def modulated_conv2d(x, w, s, demodulate=True, padding=0, input_gain=None):
    """StyleGAN3's layer (Karras et al. 2021, appendix F) by scales before and after one convolution, and not by a group for each sample:
    that writes the number of samples into the graph."""
    if demodulate:
        w = w * w.square().mean([1, 2, 3], keepdim=True).rsqrt()
        s = s * s.square().mean(1, keepdim=True).rsqrt()
    gain = s if input_gain is None else s * input_gain
    y = F.conv2d(x * gain[:, :, None, None], w, padding=padding)
    if demodulate:
        y = y * (torch.matmul(s.square(), w.square().sum([2, 3]).t()) + 1e-8).rsqrt()[:, :, None, None]
    return y


def without_groups(network):
    """Modulated convolutions as plain ones; the options that say so, where the code has them."""
    options = {}
    for module in network.modules():
        names = getattr(type(module).forward, "__globals__", {})
        theirs = names.get("modulated_conv2d")
        if theirs is not None and hasattr(module, "magnitude_ema"):
            names["modulated_conv2d"] = modulated_conv2d
        if takes(type(module).forward, "fused_modconv"):
            options["fused_modconv"] = False
    return options
