"""Networks that export_extractor.py writes: images [n, C, H, W] in 0..255, uint8 or floating-point -> (features, logits)."""
import json
import struct
import sys

import torch
import torch.nn.functional as F
from torch import Tensor, nn

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))

# Ways to make an image the network's size. Numbers of different ways are not comparable.
RESIZES = ("none", "tf1-bilinear", "torch-bilinear", "torch-bilinear-antialias", "torch-bicubic", "torch-bicubic-antialias")


class Resize(nn.Module):
    """To size x size by one of RESIZES; sides are scaled apart, nothing is cut off, values are not clamped. Rows and columns are weighted
    by matrices, so that one program does for images of any size."""

    def __init__(self, name: str, size: int):
        super().__init__()
        self.name, self.size = name, size

    def cubic(self, x: Tensor, a: float) -> Tensor:
        """Keys' kernel (1981)."""
        x = x.abs()
        near = ((a + 2) * x - (a + 3)) * x * x + 1
        far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
        return torch.where(x <= 1, near, torch.where(x < 2, far, torch.zeros_like(x)))

    def weights(self, length: int, like: Tensor) -> Tensor:
        """[size, length]: what each pixel counts for in each one of the result."""
        column = torch.arange(length, device=like.device, dtype=like.dtype).unsqueeze(0)
        count = torch.ones_like(column).sum()  # of the length: a program of any size knows its sizes as tensors alone
        scale = count / self.size
        row = torch.arange(self.size, device=like.device, dtype=like.dtype).unsqueeze(1)
        if self.name.endswith("antialias"):  # the kernel is as wide as what becomes one pixel
            at = (column + 0.5 - (row + 0.5) * scale) / scale.clamp(min=1.0)
            weights = self.cubic(at, -0.5) if "bicubic" in self.name else (1 - at.abs()).clamp(min=0.0)
            return weights / weights.sum(1, keepdim=True)
        if self.name == "torch-bicubic":
            at = (row + 0.5) * scale - 0.5
            first = at.floor()
            weights = torch.zeros_like(row * column)
            for tap in range(-1, 3):  # beyond the border the last pixel again
                place = torch.minimum((first + tap).clamp(min=0.0), count - 1)
                weights = weights + self.cubic(at - (first + tap), -0.75) * (place == column).to(like.dtype)
            return weights
        at = row * scale if self.name == "tf1-bilinear" else ((row + 0.5) * scale - 0.5).clamp(min=0.0)
        return (1 - (torch.minimum(at, count - 1) - column).abs()).clamp(min=0.0)

    def forward(self, x: Tensor) -> Tensor:
        high, wide = self.weights(x.size(2), x), self.weights(x.size(3), x)
        return torch.matmul(torch.matmul(high, x), wide.t())


def resize_of(name, size):
    return nn.Identity() if name == "none" else Resize(name, size)


class Normalised(nn.Module):
    """A resize, a normalisation of values in 0..255, a network that gives features, and a linear layer for logits, if any."""

    def __init__(self, resize: nn.Module, mean, std, trunk: nn.Module, head: nn.Module | None = None):
        super().__init__()
        self.resize, self.trunk = resize, trunk
        self.head = head if head is not None else NoLogits()
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1) * 255)
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1) * 255)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        x = (self.resize(images.to(self.mean.dtype)) - self.mean) / self.std
        features = torch.flatten(self.trunk(x), 1)
        return features, self.head(features)


class NoLogits(nn.Module):
    def forward(self, features: Tensor) -> Tensor:
        return features.narrow(1, 0, 0)


# ---- Convolutional networks.

class InceptionTrunk(nn.Module):
    """The 2015 network as pytorch-fid names its parts, up to the mean of the last maps."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.layers = nn.Sequential(
            network.Conv2d_1a_3x3, network.Conv2d_2a_3x3, network.Conv2d_2b_3x3, nn.MaxPool2d(3, 2),
            network.Conv2d_3b_1x1, network.Conv2d_4a_3x3, nn.MaxPool2d(3, 2),
            network.Mixed_5b, network.Mixed_5c, network.Mixed_5d, network.Mixed_6a, network.Mixed_6b, network.Mixed_6c,
            network.Mixed_6d, network.Mixed_6e, network.Mixed_7a, network.Mixed_7b, network.Mixed_7c)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x).mean([2, 3])


def inception(network, resize):
    head = nn.Linear(network.fc.in_features, network.fc.out_features, bias=False)
    head.weight = network.fc.weight
    return Normalised(resize_of(resize, 299), [128 / 255] * 3, [128 / 255] * 3, InceptionTrunk(network), head)


class Reached(Exception):
    """Ends a forward pass when the maps of all layers that are wanted are there."""


class Keep:
    """A hook that keeps the maps of a layer in `found`, and is copied with it."""

    def __init__(self, found, layer, wanted):
        self.found, self.layer, self.wanted = found, layer, wanted

    def __call__(self, module, inputs, maps):
        self.found[self.layer] = maps
        if len(self.found) == self.wanted:
            raise Reached


class LayerMoments(nn.Module):
    """Means and standard deviations over the positions of the maps [n, C, H, W] of some layers, and what others give as [n, C]: a group of
    features for each. What comes after the last of them does not run."""

    def __init__(self, network: nn.Module, layers: list[str], size: int):
        super().__init__()
        self.network, self.layers, self.found = network, layers, {}
        for layer in layers:
            try:
                network.get_submodule(layer).register_forward_hook(Keep(self.found, layer, len(layers)))
            except AttributeError:
                names = [name for name, _ in network.named_modules() if name and name.count(".") < 2]
                die("--layer", f"'{layer}' is no layer of this network; it has {', '.join(names)}")
            if layers.count(layer) > 1:
                die("--layer", f"'{layer}' twice")
        parameters = dict(network.named_parameters())  # those that no feature depends on are not part of the file
        with torch.enable_grad():
            moments = self.moments(torch.zeros(1, 3, size, size))
            used = torch.autograd.grad(sum(m.sum() for m in moments), list(parameters.values()), allow_unused=True)
        self.feature_groups = [m.shape[1] for m in moments]
        for name, gradient in zip(parameters, used):
            if gradient is None:
                owner, _, own = name.rpartition(".")
                setattr(network.get_submodule(owner), own, None)

    def moments(self, x: Tensor) -> list[Tensor]:
        try:
            self.network(x)
        except Reached:
            pass
        moments = []
        for layer in self.layers:
            if layer not in self.found:
                die("--layer", f"'{layer}' does not run")
            maps = self.found.pop(layer)
            if maps.dim() == 2:
                moments.append(maps)
                continue
            if maps.dim() != 4:
                die("--layer", f"'{layer}' gives {list(maps.shape)}, neither maps [n, C, H, W] nor [n, C]")
            mean = maps.mean([2, 3], keepdim=True)
            moments.append(torch.cat([mean, ((maps - mean).square().mean([2, 3], keepdim=True) + 1e-6).sqrt()], 1).flatten(1))
        return moments

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat(self.moments(x), 1)


def classifier(network, resize, size, layers=()):
    """The input of a torchvision network's last linear layer, and its logits; or what layers in it give."""
    if layers:
        moments = LayerMoments(network, list(layers), size)
        found = Normalised(resize_of(resize, size), *IMAGENET, moments)
        found.feature_groups = moments.feature_groups
        return found
    name, head = [(n, m) for n, m in network.named_modules() if isinstance(m, nn.Linear)][-1]
    parent, _, child = name.rpartition(".")
    setattr(network.get_submodule(parent), child, nn.Identity())
    return Normalised(resize_of(resize, size), *IMAGENET, network, head)


# ---- Vision transformers (Dosovitskiy et al. 2021) as DINOv2 (Oquab et al. 2024) and CLIP (Radford et al. 2021) have them.

class Attention(nn.Module):
    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        n, tokens, width = x.shape
        q, k, v = self.qkv(x).reshape(n, tokens, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        weights = torch.softmax(torch.matmul(q * (width // self.heads) ** -0.5, k.transpose(2, 3)), 3)
        return self.out(torch.matmul(weights, v).transpose(1, 2).reshape(n, tokens, width))


class TransformerBlock(nn.Module):
    """x + s1 attention(norm x), then x + s2 mlp(norm x)."""

    def __init__(self, width: int, heads: int, hidden: int, quick_gelu: bool, epsilon: float):
        super().__init__()
        self.quick_gelu = quick_gelu
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=epsilon), nn.LayerNorm(width, eps=epsilon)
        self.attention = Attention(width, heads)
        self.first, self.second = nn.Linear(width, hidden), nn.Linear(hidden, width)
        self.scale1, self.scale2 = nn.Parameter(torch.ones(width)), nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.scale1 * self.attention(self.norm1(x))
        h = self.first(self.norm2(x))
        h = h * torch.sigmoid(1.702 * h) if self.quick_gelu else F.gelu(h)
        return x + self.scale2 * self.second(h)


class VisionTransformer(nn.Module):
    """The class token after the last norm, times `projection` where there is one."""

    def __init__(self, width, depth, heads, hidden, patch, tokens, extra=0, quick_gelu=False, epsilon=1e-6, norm_first=False, projection=0,
                 patch_bias=True):
        super().__init__()
        self.patches = nn.Conv2d(3, width, patch, patch, bias=patch_bias)
        self.prefix = nn.Parameter(torch.zeros(1, 1 + extra, width))  # class token with its position, then registers
        self.positions = nn.Parameter(torch.zeros(1, tokens, width))  # of the patches
        self.before = nn.LayerNorm(width, eps=epsilon) if norm_first else nn.Identity()
        self.blocks = nn.Sequential(*(TransformerBlock(width, heads, hidden, quick_gelu, epsilon) for _ in range(depth)))
        self.norm = nn.LayerNorm(width, eps=epsilon)
        self.projection = nn.Linear(width, projection, bias=False) if projection else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2) + self.positions
        x = torch.cat([self.prefix.expand(x.shape[0], -1, -1), x], 1)
        return self.projection(self.norm(self.blocks(self.before(x)).select(1, 0)))


# ---- Weights: the names of public repositories, made those above.

BLOCK_NAMES = {
    "dinov2": {"norm1.": "norm1.", "attn.qkv.": "attention.qkv.", "attn.proj.": "attention.out.", "ls1.gamma": "scale1", "norm2.": "norm2.",
               "mlp.fc1.": "first.", "mlp.fc2.": "second.", "ls2.gamma": "scale2"},
    "dinov2-hf": {"norm1.": "norm1.", "attention.attention.qkv.": "attention.qkv.", "attention.output.dense.": "attention.out.",
                  "layer_scale1.lambda1": "scale1", "norm2.": "norm2.", "mlp.fc1.": "first.", "mlp.fc2.": "second.",
                  "layer_scale2.lambda1": "scale2"},
    "clip": {"ln_1.": "norm1.", "attn.in_proj_weight": "attention.qkv.weight", "attn.in_proj_bias": "attention.qkv.bias",
             "attn.out_proj.": "attention.out.", "ln_2.": "norm2.", "mlp.c_fc.": "first.", "mlp.c_proj.": "second."},
    "clip-hf": {"layer_norm1.": "norm1.", "self_attn.qkv.": "attention.qkv.", "self_attn.out_proj.": "attention.out.",
                "layer_norm2.": "norm2.", "mlp.fc1.": "first.", "mlp.fc2.": "second."},
}
BLOCK_PREFIX = {"dinov2": "blocks.", "dinov2-hf": "encoder.layer.", "clip": "transformer.resblocks.", "clip-hf": "encoder.layers."}


def die(path, why):
    sys.exit(f"{path}: {why}")


def read_safetensors(path):
    types = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64}
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        body = bytearray(file.read())
    return {name: torch.frombuffer(body[slice(*about["data_offsets"])], dtype=types[about["dtype"]]).reshape(about["shape"]).clone()
            for name, about in header.items() if name != "__metadata__" and about["dtype"] in types and 0 not in about["shape"]}


def read_weights(path):
    """A state dict from .pth, .safetensors, or the TorchScript in which OpenAI gives CLIP."""
    try:
        if str(path).endswith(".safetensors"):
            return read_safetensors(path)
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
        except FileNotFoundError:
            raise
        except Exception:  # TorchScript, or a pickle of a whole network
            state = torch.jit.load(path, map_location="cpu").state_dict()
    except FileNotFoundError:
        die(path, "there is no such file (launch/fetch.sh gets weights where there is a network)")
    except Exception as error:
        die(path, f"no state dict of weights: {(str(error).strip() or type(error).__name__).splitlines()[0]}")
    for inner in ("state_dict", "model", "teacher"):
        if isinstance(state.get(inner), dict):
            state = state[inner]
    return {name.removeprefix("module."): value for name, value in state.items() if isinstance(value, torch.Tensor)}


def joined_qkv(state):
    """q, k and v of separate layers as one layer."""
    for name in [n for n in state if ".query." in n or ".q_proj." in n]:
        parts = [name.replace(".query.", f".{p}.").replace(".q_proj.", f".{p[0]}_proj.") for p in ("query", "key", "value")]
        whole = name.replace(".query.", ".qkv.").replace(".q_proj.", ".qkv.")
        state[whole] = torch.cat([state.pop(part) for part in parts])


def blocks_of(state, style, path):
    """[{our name: tensor}] of the blocks, in order; block numbers may follow those of chunks."""
    prefix, blocks = BLOCK_PREFIX[style], {}
    for name, value in state.items():
        if not name.startswith(prefix):
            continue
        rest = name[len(prefix):].split(".")
        numbers = [part for part in rest[:2] if part.isdigit()]
        inner = ".".join(rest[len(numbers):])
        for theirs, ours in BLOCK_NAMES[style].items():
            if inner.startswith(theirs):
                blocks.setdefault(int(numbers[-1]), {})[ours + inner[len(theirs):]] = value
                break
        else:
            die(path, f"'{name}' is of no transformer that is written here (DINOv2 ViT-S, B, L; CLIP ViT)")
    if not blocks or sorted(blocks) != list(range(len(blocks))):
        die(path, f"no transformer's blocks ({prefix}0, ...) are in it")
    return [blocks[i] for i in range(len(blocks))]


def resampled(positions, side, offset, antialias):
    """Positions [1, n, w] of a square grid for one of side x side, by bicubic interpolation as DINOv2 does it."""
    had = round(positions.shape[1] ** 0.5)
    if had == side:
        return positions
    grid = positions.float().reshape(1, had, had, -1).permute(0, 3, 1, 2)
    if offset:  # its scale is not quite side / had
        grid = F.interpolate(grid, scale_factor=((side + offset) / had,) * 2, mode="bicubic", antialias=antialias)
    else:
        grid = F.interpolate(grid, size=(side, side), mode="bicubic", antialias=antialias)
    return grid.flatten(2).transpose(1, 2)


def fill(network, state, blocks, path):
    for i, block in enumerate(blocks):
        for name in ("scale1", "scale2"):
            block.setdefault(name, torch.ones_like(network.norm.weight))
        state.update({f"blocks.{i}.{name}": value for name, value in block.items()})
    try:
        network.load_state_dict({name: value.float() for name, value in state.items()})
    except RuntimeError as error:
        die(path, " ".join(str(error).split())[:300])
    return network


def dinov2(weights, path, heads, size, resize):
    hf = any(name.startswith("embeddings.") for name in weights)
    if hf:
        joined_qkv(weights)
        names = {"cls": "embeddings.cls_token", "position": "embeddings.position_embeddings", "registers": "embeddings.register_tokens",
                 "patches": "embeddings.patch_embeddings.projection.", "norm": "layernorm."}
    else:
        names = {"cls": "cls_token", "position": "pos_embed", "registers": "register_tokens", "patches": "patch_embed.proj.", "norm": "norm."}
    if names["cls"] not in weights or names["position"] not in weights:
        die(path, "no weights of DINOv2: cls_token and pos_embed are not in it")
    blocks = blocks_of(weights, "dinov2-hf" if hf else "dinov2", path)
    width, patch = weights[names["patches"] + "weight"].shape[0], weights[names["patches"] + "weight"].shape[2]
    if size % patch:
        die(path, f"--size {size} is no multiple of its patches' {patch}")
    registers = weights.get(names["registers"], torch.zeros(1, 0, width))
    positions = weights[names["position"]]
    with_registers = registers.shape[1] > 0
    places = resampled(positions[:, 1:], size // patch, 0 if with_registers else 0.1, antialias=with_registers)
    network = VisionTransformer(width, len(blocks), heads or max(1, width // 64), blocks[0]["first.weight"].shape[0], patch, places.shape[1],
                                registers.shape[1])
    state = {"prefix": torch.cat([weights[names["cls"]] + positions[:, :1], registers], 1), "positions": places}
    state.update({f"{ours}.{end}": weights[names[ours] + end] for ours in ("patches", "norm") for end in ("weight", "bias")})
    return Normalised(resize_of(resize, size), *IMAGENET, fill(network, state, blocks, path))


def clip(weights, path, heads, resize, activation):
    hf = any(name.startswith("vision_model.") for name in weights)
    prefix = "vision_model." if hf else "visual."
    projection = weights.get("visual_projection.weight" if hf else "visual.proj")
    tower = {name[len(prefix):]: value for name, value in weights.items() if name.startswith(prefix)}
    if hf:
        joined_qkv(tower)
        names = {"cls": "embeddings.class_embedding", "position": "embeddings.position_embedding.weight",
                 "patches": "embeddings.patch_embedding.weight", "before": "pre_layrnorm.", "norm": "post_layernorm."}
    else:
        names = {"cls": "class_embedding", "position": "positional_embedding", "patches": "conv1.weight", "before": "ln_pre.", "norm": "ln_post."}
    if names["cls"] not in tower or names["position"] not in tower:
        die(path, "no weights of a CLIP with a vision transformer: its class and position embeddings are not in it")
    blocks = blocks_of(tower, "clip-hf" if hf else "clip", path)
    width, patch = tower[names["patches"]].shape[0], tower[names["patches"]].shape[2]
    positions = tower[names["position"]]
    side = round((positions.shape[0] - 1) ** 0.5)
    network = VisionTransformer(width, len(blocks), heads or max(1, width // 64), blocks[0]["first.weight"].shape[0], patch, side * side,
                                quick_gelu=activation == "quick", epsilon=1e-5, norm_first=True, patch_bias=False,
                                projection=0 if projection is None else projection.shape[0 if hf else 1])
    state = {"prefix": (tower[names["cls"]] + positions[0]).view(1, 1, -1), "positions": positions[1:].unsqueeze(0),
             "patches.weight": tower[names["patches"]]}
    state.update({f"{ours}.{end}": tower[names[ours] + end] for ours in ("before", "norm") for end in ("weight", "bias")})
    if projection is not None:
        state["projection.weight"] = projection if hf else projection.t()
    return Normalised(resize_of(resize, side * patch), *CLIP, fill(network, state, blocks, path))
