#!/usr/bin/env python3
"""Feature extractors for ddls_dist: uint8 images [n, C, H, W] -> (features [n, F], logits [n, K]), as a .pt2 archive (docs/export.md).

  export_extractor.py inception WEIGHTS.pth OUT.pt2
      the 2015 Inception network from the weights file of pytorch-fid or torch-fidelity (launch/fetch.sh inception):
      features of the last pooling, logits without bias, as the canonical FID and Inception Score use them.
      --resize tf1-bilinear: as TensorFlow 1 scales (the canonical way); torch-bilinear: as pytorch-fid scales.
  export_extractor.py torchvision MODEL OUT.pt2 [--weights FILE.pth] [--size 224]
      a classifier of torchvision: the input of its last linear layer, and its logits; ImageNet's normalisation.
      Without --weights its values are random: of use for trying things out alone.
      --layer NAME (features.14): means and standard deviations over the positions of that layer's maps (what is no map, [n, C], as it
      is), no logits. For tilts, which gained most by layers in the middle of a network; what comes after the layer neither runs nor is
      written. Several (--layer A --layer B) are a group of features each, from one pass.
  export_extractor.py dinov2 WEIGHTS OUT.pt2 [--size 224]
      DINOv2 ViT-S, B or L: the class token after the last norm; no logits. Weights of facebookresearch/dinov2 or transformers.
  export_extractor.py clip WEIGHTS OUT.pt2 [--activation quick|gelu]
      the image tower of a CLIP with a vision transformer, projected; no logits. Weights of OpenAI, open_clip (those with gelu
      say so in their names) or transformers.
  export_extractor.py module MY_EXTRACTOR.py OUT.pt2 --resize NAME
      MY_EXTRACTOR.py has a function extractor() that returns a module: forward(images in 0..255, as floating-point numbers, too)
      gives features, or (features, logits). It scales images by itself: NAME says how, in your words. An attribute
      `feature_groups` of it, a list of widths that add up to F: groups of features, each of which a tilt takes for itself.

Files of weights are .pth, .safetensors, or TorchScript as OpenAI's. The resize is recorded: numbers of different ones are not
comparable. --image-size HxW: for images of this size alone (with --resize none that of the network). OUT.pt is written as
TorchScript: since 2026-11-29 for old programs alone, as PyTorch has deprecated it with version 2.11.

Needs torch 2.11 or later, `torchvision` also torchvision, `inception` also pytorch-fid, in an environment of yours. Nothing is
downloaded.
"""
import argparse
import copy
import json
import os
import sys

import torch
from torch import nn

import extractor_networks as networks
from gan_conventions import Refused
from pt2_programs import are_finite, cotangents, exact_values, export_program, own_function, package, tolerance_for, try_programs

TRACED = ((4, 37, 45), (6, 52, 33))  # images, height and width of the two traces, whose graphs must be the same
TRIED = (1, 5)  # batch sizes that the programs are tried on
TESTED = ((3, 40, 32), (2, 29, 57))  # of the self-test
RESIZE_OF = {"inception": "tf1-bilinear", "torchvision": "torch-bilinear", "dinov2": "torch-bicubic-antialias",
             "clip": "torch-bicubic-antialias"}


# ---- Programs.

def features(net, images):
    return net(images)


def features_float(net, images):
    return net(images)[0]


def features_vjp(net, images, gradient):
    return torch.func.vjp(lambda x: net(x)[0], images)[1](gradient)[0]


PROGRAMS = {"features": features, "features_float": features_float, "features_vjp": features_vjp}


class Pair(nn.Module):
    """A network whose output is (features, logits)."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, images):
        outputs = self.network(images)
        if isinstance(outputs, torch.Tensor):
            return outputs, outputs.narrow(1, 0, 0)
        return outputs[0], outputs[1]


def test_images(n, channels, height, width):
    """Images that C++ makes, too."""
    i, c, h, w = (torch.arange(k).view([-1 if j == d else 1 for j in range(4)]) for d, k in enumerate((n, channels, height, width)))
    return (((i + 1) * (7 * h + 13 * w) + 61 * c + (h * w) % 31) % 256).to(torch.uint8)


def inputs_of(name, network, n, channels, height, width):
    images = test_images(n, channels, height, width)
    if name == "features":
        return (images,)
    images = images.float()
    if name == "features_float":
        return (images,)
    with torch.no_grad():
        return images, cotangents(torch.empty(n, network(images[:1])[0].shape[1]))


def export_one(name, network, channels, size):
    batch = torch.export.Dim("batch")
    of_images = {0: batch} if size else {0: batch, 2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC}
    return export_program(name, network, PROGRAMS[name], lambda shape: inputs_of(name, network, shape[0], channels, *(size or shape[1:])), TRACED,
                          lambda inputs: (of_images, *({0: batch} for _ in inputs[1:])),
                          depends="the number of images or their size: take --image-size HxW")


# ---- The self-test.

def values(network, images, dtype, gradients):
    with torch.enable_grad():
        x = images.to(dtype).requires_grad_(gradients)
        f, logits = network(x if gradients or dtype == torch.float64 else images)
        found = {"features": f.detach(), "logits": logits.detach()}
        if gradients:
            found["gradient"] = torch.autograd.grad((f * cotangents(f)).sum(), x)[0].flatten(1)
    return found


def self_test(network, channels, size, gradients, told):
    tests, error = [], 0.0
    for n, height, width in TESTED:
        images = test_images(n, channels, *(size or (height, width)))
        exact, off = exact_values(lambda network, dtype: values(network, images, dtype, gradients), network)
        if not are_finite(exact):
            raise Refused("features, logits or gradients of the test's images are not finite numbers")
        error = max(error, off)
        test = {"rows": n, "height": images.shape[2], "width": images.shape[3], **{k: v.tolist() for k, v in exact.items()}}
        if gradients:
            test["gradient_at"] = list(range(0, images[0].numel(), max(1, images[0].numel() // 97)))
            test["gradient"] = exact["gradient"][:, test["gradient_at"]].tolist()
        tests.append(test)
    return tests, tolerance_for(error, "this network", told)


def passes_gradient(network, channels, size):
    try:
        return float(values(network, test_images(2, channels, *(size or (32, 32))), torch.float32, True)["gradient"].abs().max()) > 0
    except RuntimeError:
        return False


def export_extractor(network, path, resize, size=None, channels=3, tell=print):
    """Writes `path`. `network`: a module that takes images [n, channels, H, W] in 0..255, uint8 or floating-point, and gives
    features, or features and logits; resize: how it scales them, as a name; size: (H, W) where it takes no others. Returns what
    was told. Raises Refused with the cause."""
    path, told = str(path), []
    groups = [int(width) for width in getattr(network, "feature_groups", ())]
    network = Pair(copy.deepcopy(network).cpu().eval().requires_grad_(False))
    shape = test_images(2, channels, *(size or (32, 32)))
    try:
        with torch.no_grad():
            f, logits = network(shape)
            same = network(shape.float())[0]
    except Exception as error:  # whatever a foreign network throws
        raise Refused(f"forward fails on images {list(shape.shape)} in 0..255, as uint8 or as floating-point numbers: "
                      f"{(str(error).strip() or type(error).__name__).splitlines()[0]}") from error
    if f.dim() != 2 or logits.dim() != 2 or len(f) != 2 or len(logits) != 2 or f.shape[1] == 0:
        raise Refused(f"forward must give features [n, F] and logits [n, K], but for 2 images it gives {list(f.shape)} and "
                      f"{list(logits.shape)}")
    if groups and (min(groups) < 1 or sum(groups) != f.shape[1]):
        raise Refused(f"feature_groups {groups} are no widths of groups of {f.shape[1]} features")
    if not torch.allclose(f, same, rtol=1e-4, atol=1e-6):
        raise Refused("images in floating-point numbers give other features than the same in uint8: begin it with x = x.float()")
    gradients = passes_gradient(network, channels, size)
    if not gradients:
        told.append("no gradient passes through it: it can evaluate, but neither tilt nor carry a ratio")
    tests, tolerance = self_test(network, channels, size, gradients, told)
    names = list(PROGRAMS) if gradients else ["features"]
    programs = {name: export_one(name, network, channels, size) for name in names}
    description = {
        "format": "ddls_dist extractor", "version": 1, "channels": channels, "layout": "NCHW", "range": [0, 255],
        "size": list(size) if size else None, "resize": resize, "features": f.shape[1], "logits": logits.shape[1], "device": "cpu",
        "torch": torch.__version__, "told": told, "checked": {"batch_sizes": list(TRIED), "traced_at": [t[0] for t in TRACED]},
        "tolerance": tolerance, "self_test": tests}
    if groups:
        description["feature_groups"] = groups
    package(path, programs, json.dumps(description), lambda partial: try_programs(
        partial, network, {name: PROGRAMS[name] for name in names},
        lambda name, n: inputs_of(name, network, n, channels, *(size or (24 + n, 31))), TRIED, ("images", "network")))
    for sentence in told:
        tell(sentence)
    shape = f"[n, {f.shape[1]}]" + (f" in groups of {', '.join(map(str, groups))}" if groups else "")
    tell(f"{path}: features {shape}, logits [n, {logits.shape[1]}], images of {f'{size[0]} x {size[1]}' if size else 'any size'}, "
         f"resize {resize}, {os.path.getsize(path) / 1e6:.1f} MB")
    return told


def save_script(network, path, size):
    side = getattr(getattr(network, "resize", None), "size", None) or (size[0] if size and size[0] == size[1] else None)
    if side:
        network.input_size = int(side)  # read by evaluate.resize
    with torch.no_grad():
        script = torch.jit.script(network)
        for n in (2, 3):  # it must not have learnt one batch size
            f, logits = script(torch.zeros(n, 3, *(size or (32, 32)), dtype=torch.uint8))
    script.save(path)
    print(f"{path}: features [N, {f.size(1)}], logits [N, {logits.size(1)}]; TorchScript, which PyTorch has deprecated: write new files as .pt2")


# ---- The command.

def make_inception(a):
    from pytorch_fid import inception as reference
    weights = networks.read_weights(a.weights)
    reference.load_state_dict_from_url = lambda *_, **__: weights  # its constructor would download them
    return networks.inception(reference.fid_inception_v3(), a.resize)


def make_classifier(a):
    import torchvision
    network = torchvision.models.get_model(a.model, weights=None)
    if a.weights:
        network.load_state_dict(networks.read_weights(a.weights))
    return networks.classifier(network.eval(), a.resize, a.size, a.layer)


def make_own(a):
    return own_function(a.source, "my_extractor", "extractor", "the network")()


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = parser.add_subparsers(dest="kind", required=True)

    def kind(name, first, make, size=None):
        k = kinds.add_parser(name)
        k.add_argument(first)
        k.add_argument("out", metavar="OUT.pt2")
        if name == "module":
            k.add_argument("--resize", required=True)
        else:
            k.add_argument("--resize", choices=(*networks.RESIZES, "tf1", "torch"), default=RESIZE_OF[name])
        k.add_argument("--image-size", metavar="HxW")
        if size:
            k.add_argument("--size", type=int, default=size)
        k.set_defaults(make=make)
        return k

    kind("inception", "weights", make_inception)
    k = kind("torchvision", "model", make_classifier, 224)
    k.add_argument("--weights")
    k.add_argument("--layer", metavar="NAME", action="append", default=[])
    kind("dinov2", "weights", lambda a: networks.dinov2(networks.read_weights(a.weights), a.weights, a.heads, a.size, a.resize), 224).add_argument(
        "--heads", type=int, default=0, help="attention heads, where they are not of 64 features each")
    k = kind("clip", "weights", lambda a: networks.clip(networks.read_weights(a.weights), a.weights, a.heads, a.resize, a.activation))
    k.add_argument("--heads", type=int, default=0, help="attention heads, where they are not of 64 features each")
    k.add_argument("--activation", choices=("quick", "gelu"), default="quick")
    kind("module", "source", make_own)
    a = parser.parse_args()
    a.resize = {"tf1": "tf1-bilinear", "torch": "torch-bilinear"}.get(a.resize, a.resize)
    return a


def sizes(a, network):
    """(H, W) where it takes no others; the name of its resize with the size that it makes."""
    resize = getattr(network, "resize", None)
    side = getattr(resize, "size", None)
    size = tuple(int(v) for v in a.image_size.split("x")) if a.image_size else None
    if a.kind != "module" and side is None and size is None:
        side = 299 if a.kind == "inception" else getattr(a, "size", None) or round(network.trunk.positions.shape[1] ** 0.5) * network.trunk.patches.stride[0]
        size = (side, side)
    return size, a.resize if side is None or a.resize == "none" else f"{a.resize} {side} x {side}"


def main():
    a = arguments()
    try:
        if getattr(a, "layer", None) and a.out.endswith(".pt"):
            raise Refused(f"{a.out}: a network that ends at --layer is written as .pt2 alone")
        network = a.make(a).eval().requires_grad_(False)
        size, resize = sizes(a, network)
        if a.out.endswith(".pt"):
            save_script(network, a.out, size)
        elif a.out.endswith(".pt2"):
            export_extractor(network, a.out, resize, size)
        else:
            raise Refused(f"{a.out}: the name must end in .pt2")
    except Refused as reason:
        sys.exit(str(reason))


if __name__ == "__main__":
    main()
