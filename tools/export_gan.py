#!/usr/bin/env python3
"""Any GAN as one .pt2 archive, for `ddls_dist sample --generator gan.pt2` and `ddls_dist energy --generator gan.pt2`.

  export_gan.py MY_GAN.py OUT.pt2 --latent-dim K [--classes N] [--prior normal|uniform|truncated_normal]
      MY_GAN.py has a function gan() that returns the generator and the discriminator, torch.nn modules with their
      weights: G(z) or G(z, labels) gives images or points, D(x) or D(x, labels) one score per sample.

From Python: `from export_gan import export_gan; export_gan(G, D, "gan.pt2", latent_dim=K)`. Conventions that are not
those of ddls_dist are told and adapted (docs/export.md): z as an image, images in [0, 1], sigmoid at the end, noise
drawn inside, minibatch statistics, float16 blocks. Needs torch 2.11 or later; nothing is downloaded.
"""
import argparse
import copy
import hashlib
import importlib.util
import inspect
import json
import os
import re
import sys
import tempfile

import torch
from torch import nn
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn.utils import parametrize
from torch.overrides import TorchFunctionMode

TRACED = (11, 17)  # batch sizes of the two traces, whose graphs must be the same
TRIED = (1, 5, 13)  # batch sizes that the programs are tried on
ROWS = 3  # of the self-test


class Refused(Exception):
    """The message for the user."""


# ---- What networks from elsewhere do otherwise. `told` is a list of sentences for the user.

def prepare(network, told, role):
    """A copy for evaluation, in float32, with the weights of spectral and weight norms written out."""
    network = copy.deepcopy(network).cpu().eval()
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    if any(t.is_floating_point() and t.dtype != torch.float32 for t in network.state_dict().values()):
        told.append(f"{role}: its weights were not float32; raised to float32")
    network = network.float()
    halves = [m for m in network.modules() if getattr(m, "use_fp16", False)]
    for module in halves:
        module.use_fp16 = False
    if halves:
        told.append(f"{role}: {len(halves)} blocks that compute in float16 now compute in float32")
    for module in list(network.modules()):
        for name in list(getattr(module, "parametrizations", {})):
            parametrize.remove_parametrizations(module, name, leave_parametrized=True)
        for hook in list(module._forward_pre_hooks.values()):  # the older spectral_norm and weight_norm
            if type(hook).__name__ == "SpectralNorm":
                nn.utils.remove_spectral_norm(module, hook.name)
            elif type(hook).__name__ == "WeightNorm":
                nn.utils.remove_weight_norm(module, hook.name)
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    norms = [m for m in network.modules() if getattr(m, "running_mean", None) is not None]
    if norms and all(bool((m.running_mean == 0).all()) and bool((m.running_var == 1).all()) for m in norms):
        raise Refused(f"{role}: its batch norms were never measured (each mean is 0 and each variance 1); load the weights, or run "
                      "some batches in .train() first")
    return network


class Adapted(nn.Module):
    """A network between two functions."""

    def __init__(self, network, before=None, after=None):
        super().__init__()
        self.network, self.before, self.after = network, before, after

    def forward(self, *inputs):
        outputs = self.network(*(self.before(*inputs) if self.before else inputs))
        return self.after(outputs) if self.after else outputs


class WithKeywords(nn.Module):
    def __init__(self, network, keywords):
        super().__init__()
        self.network, self.keywords = network, keywords

    def forward(self, *inputs):
        return self.network(*inputs, **self.keywords)


class FixedNoise(TorchFunctionMode):
    """Noise drawn inside a network comes from `owner`, the same for every sample."""

    DRAWN = {torch.randn: torch.randn, torch.rand: torch.rand, torch.randn_like: torch.randn, torch.rand_like: torch.rand}

    def __init__(self, owner):
        super().__init__()
        self.owner, self.count = owner, 0

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if function not in self.DRAWN:
            return function(*args, **kwargs)
        like = args[0] if function in (torch.randn_like, torch.rand_like) else None
        shape = like.shape if like is not None else args[0] if isinstance(args[0], (tuple, list)) else args
        dtype = kwargs.get("dtype") or (like.dtype if like is not None else torch.float32)
        name = f"noise{self.count}"
        self.count += 1
        if not hasattr(self.owner, name):  # a buffer, so that traces find it among the weights
            seeded = torch.Generator().manual_seed(self.count)
            self.owner.register_buffer(name, self.DRAWN[function](tuple(int(s) for s in shape[1:]), generator=seeded))
        draw = getattr(self.owner, name)
        return draw.to(dtype).unsqueeze(0).expand(shape[0], *draw.shape)


class QuietNoise(nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, *inputs):
        with FixedNoise(self):
            return self.network(*inputs)


class PlainOneHot(TorchFunctionMode):
    """torch.nn.functional.one_hot looks at the labels' values, which a trace has not."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if getattr(function, "__name__", "") != "one_hot":
            return function(*args, **(kwargs or {}))
        labels, classes = args[0], (kwargs or {}).get("num_classes", args[1] if len(args) > 1 else -1)
        if classes < 0:
            raise Refused("one_hot without num_classes: give the number of classes")
        return (labels.unsqueeze(-1) == torch.arange(classes, device=labels.device)).long()


class NoMinibatchStd(nn.Module):
    """In the place of a minibatch standard deviation: its channels, with what a batch of one gives."""

    def __init__(self, channels):
        super().__init__()
        self.channels = channels

    def forward(self, x):
        shape = (x.shape[0], self.channels, *x.shape[2:])
        return torch.cat([x, torch.full(shape, 1e-4, dtype=x.dtype, device=x.device)], 1)


def first_that_works(network, role, inputs, ways):
    """The network adapted by the first of `ways`, pairs of a sentence and a function of the inputs, that does not fail."""
    reasons = []
    for sentence, before in ways:
        try:
            network(*(before(*inputs) if before else inputs))
            return (Adapted(network, before) if before else network), sentence
        except Exception as error:  # whatever a foreign network throws
            reasons.append(str(error).strip().split("\n")[0])
    raise Refused(f"{role}: forward fails on an input {list(inputs[0].shape)}{' and labels' if len(inputs) > 1 else ''}: {reasons[0]}")


def one_hot(y, classes, like):
    return (y[:, None] == torch.arange(classes, device=y.device)).to(like.dtype)


def same(a, b, tolerance=1e-3):
    return a.shape == b.shape and float((a - b).abs().max()) <= tolerance * float(b.std() + 1e-5 * b.abs().max())


def check_rows(network, role, inputs, others):
    """None, or which rule of a function of each row the network breaks: "random" or "coupled"."""
    first = network(*inputs)
    if not same(network(*inputs), first, 1e-4):
        return "random"
    half = inputs[0].shape[0] // 2
    mixed = (torch.cat([inputs[0][:half], others[half:]]), *inputs[1:])
    return None if same(network(*mixed)[:half], first[:half]) else "coupled"


def steady(network, role, inputs, others, told):
    """The network without noise and minibatch statistics of its own."""
    if check_rows(network, role, inputs, others) == "random":
        kinds = [p.kind for p in inspect.signature(innermost(network).forward).parameters.values()]
        quiet = None
        if inspect.Parameter.VAR_KEYWORD in kinds:
            try:
                quiet = with_innermost(network, WithKeywords(innermost(network), {"noise_mode": "const"}))
                if check_rows(quiet, role, inputs, others) == "random":
                    quiet = None
            except Exception:  # it takes no such argument
                quiet = None
        quiet = quiet or QuietNoise(network)
        if check_rows(quiet, role, inputs, others) == "random":
            raise Refused(f"{role}: the same input gives other outputs each time: it draws random numbers that could not be fixed; make "
                          "noise an input of fixed value")
        told.append(f"{role}: it draws noise; fixed to one constant for all samples")
        network = quiet
    if check_rows(network, role, inputs, others) == "coupled":
        replaced = 0
        for parent in list(network.modules()):
            for name, child in list(parent.named_children()):
                if re.search("minibatch_?std", type(child).__name__, re.I):
                    setattr(parent, name, NoMinibatchStd(getattr(child, "num_channels", 1)))
                    replaced += 1
        if replaced == 0 or check_rows(network, role, inputs, others) == "coupled":
            raise Refused(f"{role}: what it gives for a sample depends on the others of its batch: leave out batch statistics")
        told.append(f"{role}: minibatch standard deviation neutralised (each sample as if alone); its score is another one then: "
                    "calibrate it (train.calibration)")
    return network


def innermost(network):
    while isinstance(network, Adapted):
        network = network.network
    return network


def with_innermost(network, inner):
    if not isinstance(network, Adapted):
        return inner
    return Adapted(with_innermost(network.network, inner), network.before, network.after)


def adapt_generator(network, z, y, classes, told):
    ways = [(None, None), ("z is given as [n, k, 1, 1]", lambda z, *y: (z[:, :, None, None], *y))]
    if y:
        ways += [("labels are given one-hot", lambda z, y: (z, one_hot(y, classes, z))),
                 ("z is given as [n, k, 1, 1], labels one-hot", lambda z, y: (z[:, :, None, None], one_hot(y, classes, z)))]
    else:
        ways.append(("it takes a second argument; given None", lambda z: (z, None)))
    network, sentence = first_that_works(network, "generator", (z, *y), ways)
    if sentence:
        told.append("generator: " + sentence)
    return network


def sample_range(network, z, y, told):
    """Samples as ddls_dist takes them: points [n, d], or images [n, 1 or 3, H, W] in [-1, 1]."""
    x = network(z, *y)
    if isinstance(x, (tuple, list)):
        told.append("generator: it returns several values; the first is taken")
        network = Adapted(network, after=lambda outputs: outputs[0])
        x = network(z, *y)
    if x.dim() == 4 and x.shape[1] not in (1, 3) and x.shape[3] in (1, 3):
        told.append("generator: channels were last; put first")
        network = Adapted(network, after=lambda x: x.permute(0, 3, 1, 2))
        x = network(z, *y)
    if x.dim() == 2:
        return network
    if x.dim() != 4 or x.shape[1] not in (1, 3):
        raise Refused(f"generator: it gives {list(x.shape)}; expected images [n, 1 or 3, H, W] or points [n, d]")
    low, high = zip(*((float(v.min()), float(v.max())) for v in (network(z * s, *y) for s in (1.0, 3.0, 30.0, -30.0))))
    if min(low) >= 0 and max(high) <= 1 and high[0] > low[0]:
        told.append("generator: its images lie in [0, 1]; scaled to [-1, 1]")
        return Adapted(network, after=lambda x: x * 2 - 1)
    if min(low) >= 0 and 2 < high[0] and max(high) <= 255:
        told.append("generator: its images lie in [0, 255]; scaled to [-1, 1]")
        return Adapted(network, after=lambda x: x / 127.5 - 1)
    if low[0] < -1.01 or high[0] > 1.01:
        raise Refused(f"generator: images must lie in [-1, 1], but it gives {low[0]:.3g} to {high[0]:.3g}; scale them, or end it with "
                      "x.clamp(-1, 1)")
    return network


def one_score(network, x, y, told):
    scores = network(x, *y)
    if isinstance(scores, (tuple, list)):
        told.append("discriminator: it returns several values; the first is taken")
        network = Adapted(network, after=lambda outputs: outputs[0])
        scores = network(x, *y)
    if scores.numel() != x.shape[0]:
        raise Refused(f"discriminator: for {x.shape[0]} samples it gives {list(scores.shape)}; expected one score per sample (the mean "
                      "of patches is no log-ratio: choose, and end it so)")
    return Adapted(network, after=lambda s: s.flatten())


def without_sigmoid(network, x, y, told):
    outputs = [network(x * scale, *y) for scale in (1.0, 30.0, -30.0)]
    if not all(float(s.min()) >= 0 and float(s.max()) <= 1 for s in outputs):
        return network
    probabilities = outputs[0]
    modules = list(innermost(network).named_modules())
    ends = [name for name, module in modules if isinstance(module, nn.Sigmoid)]
    if ends:
        parent, _, child = ends[-1].rpartition(".")
        holder = innermost(network).get_submodule(parent)
        sigmoid = getattr(holder, child)
        setattr(holder, child, nn.Identity())
        logits = network(x, *y)
        if same(torch.sigmoid(logits), probabilities, 1e-3):
            told.append("discriminator: the sigmoid at its end is taken off")
            return network
        setattr(holder, child, sigmoid)
    told.append("discriminator: its values are probabilities; their logits are taken, which lose digits near 0 and 1")
    return Adapted(network, after=lambda p: torch.logit(p, eps=1e-7))


# ---- The programs.

class Pair(nn.Module):
    def __init__(self, generator, discriminator):
        super().__init__()
        self.G, self.D = generator, discriminator

    def forward(self, part, *inputs):
        return self.G(*inputs) if part == "G" else self.D(*inputs)


def decode(net, z, *y):
    return net("G", z, *y)


def score(net, x, *y):
    return net("D", x, *y)


def ratio(net, z, *y):
    return score(net, decode(net, z, *y), *y)


def with_gradient(function):
    def program(net, v, *y):
        def summed(v):
            values = function(net, v, *y)
            return values.sum(), values
        gradient, values = torch.func.grad(summed, has_aux=True)(v)
        return values, gradient
    return program


def decode_vjp(net, z, *rest):
    return torch.func.vjp(lambda z: decode(net, z, *rest[:-1]), z)[1](rest[-1])[0]


class Traced(nn.Module):
    """A graph of all its weights, as a module that torch.export takes."""

    def __init__(self, graph, state):
        super().__init__()
        self.graph, self.names = graph, list(state)
        for i, name in enumerate(self.names):
            self.register_buffer(f"w{i}", state[name])

    def forward(self, *inputs):
        return self.graph({name: getattr(self, f"w{i}") for i, name in enumerate(self.names)}, *inputs)


def trace(pair, function, inputs):
    part = {decode: "G.", decode_vjp: "G.", score: "D.", SCORE_GRAD: "D."}.get(function, "")
    state = {k: v.detach().contiguous() for k, v in (*pair.named_parameters(), *pair.named_buffers()) if k.startswith(part)}

    def flat(state, *inputs):
        with PlainOneHot():
            return function(lambda *a: torch.func.functional_call(pair, state, a), *inputs)

    return make_fx(flat, tracing_mode="symbolic", _allow_non_fake_inputs=True)(state, *inputs), state


RATIO_GRAD, SCORE_GRAD = with_gradient(ratio), with_gradient(score)
PROGRAMS = {"decode": decode, "ratio": ratio, "ratio_grad": RATIO_GRAD, "score": score, "score_grad": SCORE_GRAD,
            "decode_vjp": decode_vjp}


VIEWS = ("slice", "select", "expand", "split", "split_with_sizes", "chunk", "unbind", "narrow", "diagonal", "as_strided", "unfold",
         "transpose", "permute", "t", "view", "_unsafe_view", "reshape", "unsqueeze", "squeeze", "alias", "detach", "getitem")
STRIDES_ARE_FINE = ("mm", "addmm", "bmm", "baddbmm", "linear", "convolution", "convolution_backward", "cat", "clone", "sum", "sym_size")


def kind_of(node):
    return getattr(node.target, "__name__", str(node.target)).split(".")[0]


def is_dense(value):
    """Whether a tensor fills its memory; `value` is one of the trace."""
    try:
        return not isinstance(value, torch.Tensor) or torch._prims_common.is_non_overlapping_and_dense(value)
    except Exception:  # symbolic sizes that it cannot compare
        return False


def make_dense(graph):
    """nativert 2.11 multiplies views with gaps wrongly (it reads and writes beyond them): they are copied first."""
    for node in list(graph.graph.nodes):
        if node.op != "call_function" or kind_of(node) not in VIEWS or is_dense(node.meta.get("val")):
            continue
        users = [u for u in node.users if u.op == "call_function" and kind_of(u) not in VIEWS + STRIDES_ARE_FINE]
        if users:
            with graph.graph.inserting_after(node):
                copied = graph.graph.call_function(torch.ops.aten.clone.default, (node,),
                                                   {"memory_format": torch.contiguous_format})
            for user in users:
                user.replace_input_with(node, copied)
    graph.recompile()


def inputs_of(name, pair, n, draw, classes):
    """n rows of what this program takes."""
    z, y = draw(n), ((torch.arange(n) % classes,) if classes else ())
    with torch.no_grad():
        x = pair("G", z, *y).contiguous()
    if name == "decode_vjp":
        return (z, *y, torch.cos(torch.arange(x.numel()) * 0.7).reshape(x.shape))
    return (x if name.startswith("score") else z, *y)


def export_program(name, pair, draw, classes):
    """Traced at two batch sizes."""
    function = PROGRAMS[name]
    try:
        graphs = [trace(pair, function, inputs_of(name, pair, n, draw, classes)) for n in TRACED]
    except Refused:
        raise
    except Exception as error:  # whatever the tracer and a foreign network throw
        raise Refused(f"{name}: the networks cannot be traced: {type(error).__name__}: {(str(error).strip() or chr(63)).splitlines()[0]}") from error
    if len({re.sub(r"\b(s|sym_size)\w*\b", "s", g.code) for g, _ in graphs}) > 1:
        raise Refused(f"{name}: the graph depends on the batch size: a number of samples is written into a network")
    inputs = inputs_of(name, pair, TRACED[0], draw, classes)
    make_dense(graphs[0][0])
    batch = torch.export.Dim("batch")
    program = torch.export.export(Traced(*graphs[0]), inputs, dynamic_shapes=(tuple({0: batch} for _ in inputs),), strict=False)
    return program


def package(path, programs, description, try_it=lambda path: None):
    """One archive, in which weights that are the same are there once; kept where try_it(path) does not throw."""
    from torch.export.pt2_archive import _package
    kept, plain = {}, _package._save_raw_tensors

    def save_once(raw_items, model_name, archive_writer, config, directory, prefix, idx):
        new = {}
        for name, (tensor, properties) in raw_items.items():
            bytes_of = _package._get_raw_tensor_bytes(tensor)
            key = (hashlib.sha256(bytes_of).digest(), str(tensor.dtype), tuple(tensor.shape), tensor.stride(), directory)
            if tensor.storage_offset() == 0 and tensor.untyped_storage().nbytes() == len(bytes_of) and key in kept:
                config[name] = copy.deepcopy(kept[key])
            else:
                new[name] = (key, (tensor, properties))
        idx = plain({n: item for n, (_, item) in new.items()}, model_name, archive_writer, config, directory, prefix, idx)
        for name, (key, _) in new.items():
            kept[key] = config[name]
        return idx

    _package._save_raw_tensors = save_once
    try:
        with tempfile.TemporaryDirectory(dir=os.path.dirname(os.path.abspath(path))) as folder:
            partial = os.path.join(folder, os.path.basename(path))  # its name is that of the folder in the archive
            _package.package_pt2(partial, exported_programs=programs, extra_files={"ddls.json": description})
            try_it(partial)
            os.replace(partial, path)
    finally:
        _package._save_raw_tensors = plain


def try_programs(path, pair, draw, classes):
    """The archive as ddls_dist runs it, in nativert, at batch sizes that it was not traced with."""
    from torch._C._nativert import PyModelRunner
    for name, function in PROGRAMS.items():
        runner = PyModelRunner(path, name)
        for n in TRIED:
            inputs = inputs_of(name, pair, n, draw, classes)
            ours, theirs = runner.run(*inputs), function(lambda *a: pair(*a), *inputs)
            for a, b in zip(ours if isinstance(ours, (tuple, list)) else (ours,), theirs if isinstance(theirs, tuple) else (theirs,)):
                if a.shape != b.shape or not float((a - b).abs().max()) <= 1e-4 * float(b.abs().max()) + 1e-7:
                    raise Refused(f"{name}: on {n} samples the exported program gives other values than the networks")


# ---- The self-test.

def reference(pair, z, y):
    """Samples, ratios and gradients by autograd, in float64 where the networks allow it; and how far float32 is from them."""
    def values(pair, z):
        z = z.clone().requires_grad_()
        x = pair("G", z, *y)
        r = pair("D", x, *y)
        return x.detach(), r.detach(), torch.autograd.grad(r.sum(), z)[0]

    plain = values(pair, z)
    try:
        exact = values(copy.deepcopy(pair).double(), z.double())
    except Exception:  # a type is written into them
        exact = plain
    error = max(float((a - b).abs().max() / b.abs().max().clamp(min=1e-30)) for a, b in zip(plain, exact))
    return exact, error


def self_test(pair, draw, classes, told):
    z, y = draw(ROWS), ((torch.arange(ROWS) % classes,) if classes else ())
    (x, r, gradient), error = reference(pair, z, y)
    if not all(bool(torch.isfinite(v).all()) for v in (x, r, gradient)):
        raise Refused("values or gradients on draws of the prior are not finite numbers")
    if float(gradient.abs().max()) == 0:
        raise Refused("the gradient of the ratio with respect to z is 0 everywhere: nothing to sample by (rounding, a step, or a constant)")
    flat = x.flatten(1)
    at = list(range(0, flat.shape[1], max(1, flat.shape[1] // 128)))
    if error > 1e-3:
        raise Refused(f"float32 is {error:.1e} off float64 on these networks: too far for a self-test")
    tolerance = max(1e-5, 4 * error)
    if tolerance > 1e-5:
        told.append(f"float32 is {error:.1e} off float64 here; the self-test allows {tolerance:.1e}")
    test = {"latents": z.tolist(), "sample_at": at, "samples": flat[:, at].tolist(), "log_ratio": r.tolist(),
            "gradient": gradient.tolist()}
    if classes:
        test["labels"] = y[0].tolist()
    return test, tolerance, list(x.shape[1:])


def prior_draws(prior, latent_dim):
    generator = torch.Generator().manual_seed(5)

    def draw(n):
        if prior == "uniform":
            return torch.rand(n, latent_dim, generator=generator) * 2 - 1
        z = torch.randn(n, latent_dim, generator=generator)
        return torch.fmod(z, 2) if prior == "truncated_normal" else z
    return draw


def adapt(generator, discriminator, draw, classes, told):
    z, others, y = draw(16), draw(16) * 0.5, ((torch.arange(16) % classes,) if classes else ())
    with torch.no_grad():
        g = adapt_generator(prepare(generator, told, "generator"), z, y, classes, told)
        first = lambda *inputs: (lambda x: x[0] if isinstance(x, (tuple, list)) else x)(g(*inputs))
        if not isinstance(g(z, *y), (tuple, list)):
            g = steady(g, "generator", (z, *y), others, told)
        g = sample_range(g, z, y, told)
        if same(g(z * 2, *y), first(z, *y), 1e-4) or same(g(z * 2, *y), g(z, *y), 1e-4):
            told.append("generator: it uses z / |z| alone; |z| is free, and chains move along it without effect")
        x = g(z, *y).contiguous()
        ways = [(None, None)]
        ways += [("labels are given one-hot", lambda x, y: (x, one_hot(y, classes, x)))] if y else [
            ("it takes a second argument; given None", lambda x: (x, None))]
        d, sentence = first_that_works(prepare(discriminator, told, "discriminator"), "discriminator", (x, *y), ways)
        if sentence:
            told.append("discriminator: " + sentence)
        d = one_score(d, x, y, told)
        d = steady(d, "discriminator", (x, *y), x.flip(0) * 0.3, told)
        return Pair(g, without_sigmoid(d, x, y, told)).eval()


def export_gan(generator, discriminator, path, latent_dim, classes=0, prior="normal", tell=print):
    """Writes `path`. Returns what was told, as a list of sentences. Raises Refused with the cause."""
    path, told = str(path), []
    if not path.endswith(".pt2"):
        raise Refused(f"{path}: the name must end in .pt2")
    draw = prior_draws(prior, latent_dim)
    pair = adapt(generator, discriminator, draw, classes, told)
    test, tolerance, shape = self_test(pair, draw, classes, told)
    programs = {name: export_program(name, pair, draw, classes) for name in PROGRAMS}
    description = {
        "format": "ddls_dist GAN", "version": 1, "latent_dim": latent_dim, "prior": prior, "classes": classes,
        "sample_shape": shape, "range": [-1, 1] if len(shape) == 3 else None, "device": "cpu",
        "torch": torch.__version__, "told": told,
        "checked": {"batch_sizes": list(TRIED), "traced_at": list(TRACED), "rows_are_independent": True, "repeats": True},
        "tolerance": tolerance, "self_test": test}
    package(path, programs, json.dumps(description), lambda partial: try_programs(partial, pair, draw, classes))
    for sentence in told:
        tell(sentence)
    tell(f"{path}: samples {shape}, {os.path.getsize(path) / 1e6:.1f} MB, programs {', '.join(programs)}")
    return told


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source")
    parser.add_argument("out")
    parser.add_argument("--latent-dim", type=int, required=True)
    parser.add_argument("--classes", type=int, default=0)
    parser.add_argument("--prior", choices=("normal", "uniform", "truncated_normal"), default="normal")
    arguments = parser.parse_args()
    if not os.path.isfile(arguments.source):
        sys.exit(f"{arguments.source}: there is no such file")
    sys.path.insert(0, os.path.dirname(os.path.abspath(arguments.source)))
    spec = importlib.util.spec_from_file_location("my_gan", arguments.source)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not hasattr(module, "gan"):
        sys.exit(f"{arguments.source}: it needs a function gan() that returns the generator and the discriminator")
    try:
        export_gan(*module.gan(), arguments.out, arguments.latent_dim, arguments.classes, arguments.prior)
    except Refused as reason:
        sys.exit(str(reason))


if __name__ == "__main__":
    main()
