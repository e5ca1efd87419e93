"""Writes, into the current folder, the extractors of extractor_test.sh, and holds the transformers of extractor_networks.py against layers
of torch that others wrote: random weights under the names of public repositories."""
import copy
import math
import os

import torch
import torch.nn.functional as F
from torch import nn

import extractor_networks as networks
from archives import repacked, with_value
from export_extractor import Refused, export_extractor, save_script

torch.set_num_threads(1)
torch.manual_seed(0)


def close(a, b, what, tolerance=2e-5):
    assert a.shape == b.shape and float((a - b).abs().max()) <= tolerance * max(1.0, float(b.abs().max())), what


# ---- Resizes: those of torch.
for height, width, side in ((8, 8, 28), (19, 31, 12), (5, 40, 40)):
    x = torch.rand(2, 3, height, width) * 255
    for name in networks.RESIZES[2:]:
        mode = "bicubic" if "bicubic" in name else "bilinear"
        expected = F.interpolate(x, size=[side, side], mode=mode, align_corners=False, antialias=name.endswith("antialias"))
        close(networks.Resize(name, side)(x), expected, name)
x = torch.arange(4.0).view(1, 1, 1, 4)  # TensorFlow 1: source i * 4 / 8, the last pixel beyond
close(networks.Resize("tf1-bilinear", 8)(x)[0, 0, 0], torch.tensor([0, 0.5, 1, 1.5, 2, 2.5, 3, 3]), "tf1-bilinear")

# ---- DINOv2 and CLIP, tiny, under the names of their repositories; width 12, two blocks, two heads, patches of 4.
WIDTH, HIDDEN, HEADS, PATCH = 12, 24, 2, 4


def rand(*shape):
    return torch.randn(*shape) * 0.3


def attention_block():
    return {"in": rand(3 * WIDTH, WIDTH), "in_b": rand(3 * WIDTH), "out": rand(WIDTH, WIDTH), "out_b": rand(WIDTH), "n1": 1 + rand(WIDTH),
            "n1_b": rand(WIDTH), "n2": 1 + rand(WIDTH), "n2_b": rand(WIDTH), "f1": rand(HIDDEN, WIDTH), "f1_b": rand(HIDDEN),
            "f2": rand(WIDTH, HIDDEN), "f2_b": rand(WIDTH), "s1": 1 + rand(WIDTH), "s2": 1 + rand(WIDTH)}


def torch_layer(b, activation, epsilon):
    """torch's own layer, in which scales are part of what they multiply."""
    layer = nn.TransformerEncoderLayer(WIDTH, HEADS, HIDDEN, 0.0, activation, epsilon, batch_first=True, norm_first=True)
    s1, s2 = b["s1"], b["s2"]
    layer.load_state_dict({
        "self_attn.in_proj_weight": b["in"], "self_attn.in_proj_bias": b["in_b"], "self_attn.out_proj.weight": s1[:, None] * b["out"],
        "self_attn.out_proj.bias": s1 * b["out_b"], "linear1.weight": b["f1"], "linear1.bias": b["f1_b"],
        "linear2.weight": s2[:, None] * b["f2"], "linear2.bias": s2 * b["f2_b"], "norm1.weight": b["n1"], "norm1.bias": b["n1_b"],
        "norm2.weight": b["n2"], "norm2.bias": b["n2_b"]})
    return layer.train().requires_grad_(False)  # in eval mode it takes kernels of its own


def named(b, names):
    state = {}
    for theirs, ours in names.items():
        state[theirs + ("" if ours in ("s1", "s2") else "weight")] = b[ours]
        if ours not in ("s1", "s2"):
            state[theirs + "bias"] = b[ours + "_b"]
    return state


def split_qkv(b, pattern):
    return {pattern.format(name) + end: part for end, whole in (("weight", b["in"]), ("bias", b["in_b"]))
            for name, part in zip("qkv", whole.chunk(3))}


norm, norm_b, conv, conv_b = 1 + rand(WIDTH), rand(WIDTH), rand(WIDTH, 3, PATCH, PATCH), rand(WIDTH)
images = torch.randint(0, 256, (3, 3, 10, 9), dtype=torch.uint8)


def tokens_of(side, mean_and_std, bias):
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) * 255 for v in mean_and_std)
    x = F.interpolate(images.float(), size=[side, side], mode="bicubic", align_corners=False, antialias=True)
    return F.conv2d((x - mean) / std, conv, bias, stride=PATCH).flatten(2).transpose(1, 2)


for registers in (0, 3):
    blocks = [attention_block() for i in range(2)]
    cls, positions, extra = rand(1, 1, WIDTH), rand(1, 1 + 25, WIDTH), rand(1, registers, WIDTH)
    block_names = {"norm1.": "n1", "attn.qkv.": "in", "attn.proj.": "out", "ls1.gamma": "s1", "norm2.": "n2", "mlp.fc1.": "f1", "mlp.fc2.": "f2",
                   "ls2.gamma": "s2"}
    state = {"cls_token": cls, "pos_embed": positions, "mask_token": rand(1, WIDTH), "patch_embed.proj.weight": conv, "patch_embed.proj.bias": conv_b,
             "norm.weight": norm, "norm.bias": norm_b}
    for i, b in enumerate(blocks):
        state.update({f"blocks.{i}." + name: value for name, value in named(b, block_names).items()})
    if registers:
        state["register_tokens"] = extra
    grid = positions[:, 1:].reshape(1, 5, 5, WIDTH).permute(0, 3, 1, 2)
    if registers:
        grid = F.interpolate(grid, size=(4, 4), mode="bicubic", antialias=True)
    else:
        grid = F.interpolate(grid, scale_factor=(4.1 / 5, 4.1 / 5), mode="bicubic")
    x = tokens_of(16, networks.IMAGENET, conv_b) + grid.flatten(2).transpose(1, 2)
    x = torch.cat([(cls + positions[:, :1]).expand(3, -1, -1), extra.expand(3, -1, -1), x], 1)
    for b in blocks:
        x = torch_layer(b, "gelu", 1e-6)(x)
    expected = F.layer_norm(x, (WIDTH,), norm, norm_b, 1e-6)[:, 0]
    chunked = {name.replace("blocks.", "blocks.0.") if registers else name: value for name, value in state.items()}
    hf = {"embeddings.cls_token": cls, "embeddings.position_embeddings": positions, "embeddings.mask_token": rand(1, WIDTH),
          "embeddings.patch_embeddings.projection.weight": conv, "embeddings.patch_embeddings.projection.bias": conv_b, "layernorm.weight": norm,
          "layernorm.bias": norm_b}
    if registers:
        hf["embeddings.register_tokens"] = extra
    names = {"norm1.": "n1", "attention.output.dense.": "out", "layer_scale1.lambda1": "s1", "norm2.": "n2", "mlp.fc1.": "f1", "mlp.fc2.": "f2",
             "layer_scale2.lambda1": "s2"}
    for i, b in enumerate(blocks):
        joined = {**named(b, names), **split_qkv(b, "attention.attention.{}.")}
        for name, value in joined.items():
            for short, long in (("q", "query"), ("k", "key"), ("v", "value")):
                name = name.replace(f"attention.attention.{short}.", f"attention.attention.{long}.")
            hf[f"encoder.layer.{i}." + name] = value
    for given in (state, chunked, hf):
        with torch.no_grad():
            close(networks.dinov2(dict(given), "w", HEADS, 16, "torch-bicubic-antialias")(images)[0], expected, "DINOv2")
    if not registers:
        torch.save(state, "dinov2.pth")

for activation in ("quick", "gelu"):
    blocks = [{**attention_block(), "s1": torch.ones(WIDTH), "s2": torch.ones(WIDTH)} for i in range(2)]
    cls, positions, before, before_b, projection = rand(WIDTH), rand(1 + 16, WIDTH), 1 + rand(WIDTH), rand(WIDTH), rand(WIDTH, 6)
    x = torch.cat([cls.expand(3, 1, WIDTH), tokens_of(16, networks.CLIP, None)], 1) + positions
    x = F.layer_norm(x, (WIDTH,), before, before_b, 1e-5)
    for b in blocks:
        x = torch_layer(b, (lambda h: h * torch.sigmoid(1.702 * h)) if activation == "quick" else "gelu", 1e-5)(x)
    expected = F.layer_norm(x, (WIDTH,), norm, norm_b, 1e-5)[:, 0] @ projection
    openai = {"class_embedding": cls, "positional_embedding": positions, "conv1.weight": conv, "ln_pre.weight": before, "ln_pre.bias": before_b,
              "ln_post.weight": norm, "ln_post.bias": norm_b, "proj": projection}
    hf = {"embeddings.class_embedding": cls, "embeddings.position_embedding.weight": positions, "embeddings.patch_embedding.weight": conv,
          "pre_layrnorm.weight": before, "pre_layrnorm.bias": before_b, "post_layernorm.weight": norm, "post_layernorm.bias": norm_b}
    for i, b in enumerate(blocks):
        openai.update({f"transformer.resblocks.{i}." + name: value for name, value in named(b, {
            "ln_1.": "n1", "attn.in_proj_": "in", "attn.out_proj.": "out", "ln_2.": "n2", "mlp.c_fc.": "f1", "mlp.c_proj.": "f2"}).items()})
        hf.update({f"encoder.layers.{i}." + name: value for name, value in {
            **named(b, {"layer_norm1.": "n1", "self_attn.out_proj.": "out", "layer_norm2.": "n2", "mlp.fc1.": "f1", "mlp.fc2.": "f2"}),
            **split_qkv(b, "self_attn.{}_proj.")}.items()})
    openai = {**{"visual." + name: value for name, value in openai.items()}, "logit_scale": rand(1), "transformer.resblocks.0.ln_1.weight": norm}
    hf = {**{"vision_model." + name: value for name, value in hf.items()}, "visual_projection.weight": projection.t().contiguous(),
          "text_model.final_layer_norm.weight": norm}
    for given in (openai, hf):
        with torch.no_grad():
            close(networks.clip(dict(given), "w", HEADS, "torch-bicubic-antialias", activation)(images)[0], expected, "CLIP")
    if activation == "quick":
        torch.save({"state_dict": {"module." + name: value.half() for name, value in openai.items()}}, "clip.pth")


# ---- Archives.
class Own(nn.Module):
    """Some layers, a bilinear resize of its own, and logits."""

    def __init__(self, features=10, classes=4, groups=(4, 6)):
        super().__init__()
        self.feature_groups = list(groups)
        self.resize = networks.Resize("torch-bilinear", 12)
        self.first, self.second = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, features, 3, 2, 1)
        self.head = nn.Linear(features, classes)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = (self.resize(images.to(self.head.weight.dtype)) - 127.5) / 60
        f = F.relu(self.second(F.relu(self.first(x)))).mean([2, 3])
        return f, self.head(f)


class Rounds(Own):
    def forward(self, images):
        return super().forward(images.round().detach())


network = Own().eval().requires_grad_(False)
export_extractor(network, "e.pt2", "torch-bilinear 12 x 12")
save_script(network, "e.pt", None)
export_extractor(Own().eval().requires_grad_(False), "small.pt2", "none", (8, 8))
export_extractor(Own().eval().requires_grad_(False), "large.pt2", "none", (16, 16))
assert any("no gradient passes" in said for said in export_extractor(Rounds().eval().requires_grad_(False), "rounds.pt2", "none", (8, 8)))
for broken, why in ((nn.Conv2d(3, 4, 3), "forward fails on images"), (Own(groups=(4, 7)), "feature_groups [4, 7] are no widths of groups of 10 features")):
    try:
        export_extractor(broken, "broken.pt2", "none")
        raise AssertionError("it is exported")
    except Refused as reason:
        assert why in str(reason), reason
save_script(Own(groups=(4, 7)), "groups.pt", None)


class Layers(nn.Module):
    """As torchvision's networks are made; most of its weights are in what follows the middle."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 6, 3, 1, 1), nn.ReLU(), nn.Conv2d(6, 4, 3, 2, 1))
        self.tokens = nn.Flatten(2)
        self.classifier = nn.Linear(4, 300_000)

    def forward(self, x):
        return self.classifier(self.tokens(self.features(x)).mean(2))


layers = Layers().eval()
with torch.no_grad():
    middle = networks.classifier(copy.deepcopy(layers), "none", 8, ["features.1"])
    both = networks.classifier(copy.deepcopy(layers), "none", 8, ["features.2", "features.1"])
    logits = networks.classifier(copy.deepcopy(layers), "none", 8, ["classifier"])
    x = torch.randint(0, 256, (3, 3, 8, 8), dtype=torch.uint8)
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in networks.IMAGENET)
    maps = layers.features[:2]((x.float() / 255 - mean) / std)
    first, last = (torch.cat([m.mean([2, 3]), m.std([2, 3], correction=0)], 1) for m in (maps, layers.features[2](maps)))
    close(middle(x)[0], first, "moments of a layer", 1e-4)
    close(both(x)[0], torch.cat([last, first], 1), "moments of two layers", 1e-4)
    close(logits(x)[0], layers((x.float() / 255 - mean) / std), "a layer without maps", 1e-4)
assert [n.feature_groups for n in (middle, both, logits)] == [[12], [8, 12], [300_000]]
export_extractor(both, "layers.pt2", "none", (8, 8))
assert os.path.getsize("layers.pt2") < 1e6, "weights that no feature depends on are written"
for name, why in (("features.1 features.1", "twice"), ("feature", "is no layer of this network; it has features, features.0"), ("tokens", "gives [1, 4, 16], neither maps [n, C, H, W] nor [n, C]")):
    try:
        networks.classifier(copy.deepcopy(layers), "none", 8, name.split())
        raise AssertionError(f"{name} is taken")
    except SystemExit as reason:
        assert why in str(reason), reason

repacked("small.pt2", "off.pt2", lambda d: (d["self_test"][0]["features"][0].__setitem__(0, d["self_test"][0]["features"][0][0] + 1), d)[1])
repacked("small.pt2", "gradient.pt2", lambda d: (d["self_test"][0]["gradient"][0].__setitem__(0, d["self_test"][0]["gradient"][0][0] + 1), d)[1])
repacked("small.pt2", "no_features.pt2", drop=("models/features.json",))
repacked("small.pt2", "no_description.pt2", lambda d: None)
repacked("small.pt2", "channels.pt2", with_value("channels", 2))
repacked("small.pt2", "classes.pt2", with_value("logits", 5))
repacked("small.pt2", "groups.pt2", with_value("feature_groups", [4, 7]))
repacked("small.pt2", "range.pt2", with_value("range", [0, 1]))
repacked("small.pt2", "cuda.pt2", with_value("device", "cuda"))
repacked("small.pt2", "renamed.pt")
open("cut.pt2", "wb").write(open("small.pt2", "rb").read()[:5000])
open("text.pt2", "w").write("hello")

# Another network as TorchScript, which judges samples of an energy that the first is part of.
save_script(Own().eval().requires_grad_(False), "judge.pt", None)
