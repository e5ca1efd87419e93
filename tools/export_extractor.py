#!/usr/bin/env python3
"""Feature extractors for ddls_dist: forward(uint8 NCHW) -> (features [N, F], logits [N, C]), as TorchScript.

  export_extractor.py inception WEIGHTS.pth OUT.pt [--resize tf1|torch]
      the 2015 Inception network from the weights file of pytorch-fid or torch-fidelity (launch/fetch.sh inception):
      features of the last pooling, logits without bias, as the canonical FID and Inception Score use them.
      --resize tf1: as TensorFlow 1 scales (the canonical way); torch: as pytorch-fid scales.
  export_extractor.py torchvision MODEL OUT.pt [--weights FILE.pth] [--size 224]
      a classifier of torchvision: the input of its last linear layer, and its logits; ImageNet's normalisation.
      Without --weights its values are random: of use for trying things out alone.

Needs torch and torchvision, `inception` also pytorch-fid, in any private environment. Nothing is downloaded.
"""
import argparse
import sys

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class TensorFlow1Resize(nn.Module):
    """Bilinear without antialiasing, source coordinate i * in / out."""

    def __init__(self, size: int):
        super().__init__()
        self.size = size

    def axis(self, x: Tensor, dim: int) -> Tensor:
        length = x.size(dim)
        at = torch.arange(self.size, device=x.device, dtype=torch.float32) * (float(length) / float(self.size))
        low = at.floor()
        shape = [1, 1, 1, 1]
        shape[dim] = self.size
        weight = (at - low).view(shape)
        first = low.long()
        second = (first + 1).clamp(max=length - 1)
        a = x.index_select(dim, first)
        return a + (x.index_select(dim, second) - a) * weight

    def forward(self, x: Tensor) -> Tensor:
        return self.axis(self.axis(x, 3), 2)


class TorchResize(nn.Module):
    def __init__(self, size: int):
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        return F.interpolate(x, size=[self.size, self.size], mode="bilinear", align_corners=False)


class Inception(nn.Module):
    def __init__(self, network: nn.Module, resize: nn.Module):
        super().__init__()
        self.input_size = 299  # read by evaluate.resize
        self.resize = resize
        self.trunk = nn.Sequential(
            network.Conv2d_1a_3x3, network.Conv2d_2a_3x3, network.Conv2d_2b_3x3, nn.MaxPool2d(3, 2),
            network.Conv2d_3b_1x1, network.Conv2d_4a_3x3, nn.MaxPool2d(3, 2),
            network.Mixed_5b, network.Mixed_5c, network.Mixed_5d, network.Mixed_6a, network.Mixed_6b, network.Mixed_6c,
            network.Mixed_6d, network.Mixed_6e, network.Mixed_7a, network.Mixed_7b, network.Mixed_7c)
        self.register_buffer("head", network.fc.weight.detach().clone())

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.trunk((self.resize(images.float()) - 128.0) / 128.0).mean([2, 3])
        return features, F.linear(features, self.head)


class Classifier(nn.Module):
    def __init__(self, trunk: nn.Module, head: nn.Linear, size: int):
        super().__init__()
        self.input_size = size
        self.resize = TorchResize(size)
        self.trunk, self.head = trunk, head
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1) * 255)
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1) * 255)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = torch.flatten(self.trunk((self.resize(images.float()) - self.mean) / self.std), 1)
        return features, self.head(features)


def read_weights(path):
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        sys.exit(f"{path}: there is no such file (launch/fetch.sh gets weights where there is a network)")


def inception(arguments):
    from pytorch_fid import inception as reference

    weights = read_weights(arguments.weights)
    reference.load_state_dict_from_url = lambda *_, **__: weights  # its constructor would download them
    return Inception(reference.fid_inception_v3(), TensorFlow1Resize(299) if arguments.resize == "tf1" else TorchResize(299))


def classifier(arguments):
    import torchvision

    network = torchvision.models.get_model(arguments.model, weights=None)
    if arguments.weights:
        network.load_state_dict(read_weights(arguments.weights))
    name, head = [(n, m) for n, m in network.named_modules() if isinstance(m, nn.Linear)][-1]
    parent, _, child = name.rpartition(".")
    setattr(network.get_submodule(parent), child, nn.Identity())
    return Classifier(network, head, arguments.size)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = parser.add_subparsers(dest="kind", required=True)
    kind = kinds.add_parser("inception")
    kind.add_argument("weights")
    kind.add_argument("out")
    kind.add_argument("--resize", choices=("tf1", "torch"), default="tf1")
    kind.set_defaults(make=inception)
    kind = kinds.add_parser("torchvision")
    kind.add_argument("model")
    kind.add_argument("out")
    kind.add_argument("--weights")
    kind.add_argument("--size", type=int, default=224)
    kind.set_defaults(make=classifier)
    arguments = parser.parse_args()

    extractor = arguments.make(arguments).eval().requires_grad_(False)
    with torch.no_grad():
        scripted = torch.jit.script(extractor)
        for size in (2, 3):  # it must not have learnt one batch size
            features, logits = scripted(torch.zeros(size, 3, 32, 32, dtype=torch.uint8))
    scripted.save(arguments.out)
    print(f"{arguments.out}: features [N, {features.size(1)}], logits [N, {logits.size(1)}]")


main()
