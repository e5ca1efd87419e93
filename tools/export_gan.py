#!/usr/bin/env python3
"""Any GAN as one .pt2 archive, for `ddls_dist sample --generator gan.pt2` and `ddls_dist energy --generator gan.pt2`; or a
generator alone, for a configuration with `model: {architecture: pretrained, generator: gan.pt2}` (docs/pretrained.md).

  export_gan.py MY_GAN.py OUT.pt2 --latent-dim K [--classes N] [--prior normal|uniform|truncated_normal]
      MY_GAN.py has a function gan() that returns the generator and the discriminator, torch.nn modules with their
      weights: G(z) or G(z, labels) gives images or points, D(x) or D(x, labels) one score per sample. Or gan() returns
      the generator alone.

  export_gan.py --family NAME [--repo CHECKOUT] [--discriminator FILE] WEIGHTS OUT.pt2
      published families: pickles of stylegan2-ada, stylegan3 and r3gan, checkpoints of mimicry, studiogan, biggan (BigGAN-PyTorch) and
      of PyTorch's dcgan tutorial, one-step generators in the form of edm. docs/pretrained.md says what each needs.

From Python: `from export_gan import export_gan; export_gan(G, D, "gan.pt2", latent_dim=K)`; D may be None. Conventions that are not
those of ddls_dist are told and adapted (docs/export.md): z as an image, images in [0, 1], sigmoid at the end, noise
drawn inside, minibatch statistics, float16 blocks. Needs torch 2.11 or later; nothing is downloaded.
"""
import argparse
import copy
import hashlib
import importlib.util
import json
import os
import sys
import tempfile

import torch
from torch import nn
from torch.fx.experimental.proxy_tensor import make_fx
from torch.overrides import TorchFunctionMode

from gan_conventions import Refused, adapt
from gan_families import Family, add_arguments, load_family

TRACED = (11, 17)  # batch sizes of the two traces, whose graphs must be the same
TRIED = (1, 5, 13)  # batch sizes that the programs are tried on
ROWS = 3  # of the self-test


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


def one_hot(labels, classes=-1, num_classes=-1):
    """torch's looks at the labels' values, which a trace has not."""
    classes = max(classes, num_classes)
    if classes < 0:
        raise Refused("one_hot without num_classes: give the number of classes")
    return (labels.unsqueeze(-1) == torch.arange(classes, device=labels.device)).long()


def linear(x, weight, bias=None):
    """Of rows: torch 2.11 cannot always trace the backward pass of more dimensions."""
    if x.dim() < 3:
        return nn.functional.linear(x, weight, bias)
    return nn.functional.linear(x.flatten(0, -2), weight, bias).reshape(*x.shape[:-1], weight.shape[0])


def layer_norm(x, shape, weight=None, bias=None, eps=1e-5, cudnn_enable=True):
    """Nor that of its own before an attention."""
    over = list(range(-len(shape), 0))
    centred = x - x.mean(over, keepdim=True)
    y = centred * torch.rsqrt((centred * centred).mean(over, keepdim=True) + eps)
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


class Traceable(TorchFunctionMode):
    """Functions that a trace of values or gradients does not take, by others of the same values."""

    OURS = {"one_hot": one_hot, "linear": linear, "layer_norm": layer_norm}

    def __torch_function__(self, function, types, args=(), kwargs=None):
        ours = self.OURS.get(getattr(function, "__name__", ""))
        return (ours or function)(*args, **(kwargs or {}))


class Traced(nn.Module):
    """A graph of all its weights, as a module that torch.export takes."""

    def __init__(self, graph, state):
        super().__init__()
        self.graph, self.names = graph, list(state)
        for i, name in enumerate(self.names):
            self.register_buffer(f"w{i}", state[name])

    def forward(self, *inputs):
        return self.graph({name: getattr(self, f"w{i}") for i, name in enumerate(self.names)}, *inputs)


def tidy(graph):
    """Without what differs between traces of one network: views that fit the strides of this trace's gradients alone, slices of everything,
    other names of a tensor, marks of a profiler."""
    for node in reversed(list(graph.graph.nodes)):
        if "_record_function" in str(node.target) and not node.users:
            graph.graph.erase_node(node)
    for node in list(graph.graph.nodes):
        if node.target is torch.ops.aten.view.default:
            node.target = torch.ops.aten.reshape.default
        elif node.target is torch.ops.aten.alias.default or (
                node.target is torch.ops.aten.slice.Tensor and tuple(node.args[2:]) == (0, 2**63 - 1)):
            node.replace_all_uses_with(node.args[0])
            graph.graph.erase_node(node)
    graph.graph.eliminate_dead_code()
    graph.recompile()
    return graph


def outline(graph):
    """Its operations on tensors, every size that is no number a mere "s": the same for all sizes, unless one is written into it."""
    places, lines = {}, []
    for node in graph.graph.nodes:
        if isinstance(node.meta.get("val"), (torch.SymInt, torch.SymFloat, torch.SymBool)):
            places[node] = "s"
            continue
        places[node] = f"%{len(lines)}"
        lines.append((node.op, str(node.target) if node.op == "call_function" else "", str(torch.fx.map_arg(
            (node.args, tuple(node.kwargs.items())), lambda n: places[n]))))
    return lines


def trace(pair, function, inputs):
    part = {decode: "G.", decode_vjp: "G.", score: "D.", SCORE_GRAD: "D."}.get(function, "")
    state = {k: v.detach().contiguous() for k, v in (*pair.named_parameters(), *pair.named_buffers()) if k.startswith(part)}

    def flat(state, *inputs):
        with Traceable():
            return function(lambda *a: torch.func.functional_call(pair, state, a), *inputs)

    graph = make_fx(flat, tracing_mode="symbolic", _allow_non_fake_inputs=True)(state, *inputs)
    return tidy(graph), state


RATIO_GRAD, SCORE_GRAD = with_gradient(ratio), with_gradient(score)
PROGRAMS = {"decode": decode, "ratio": ratio, "ratio_grad": RATIO_GRAD, "score": score, "score_grad": SCORE_GRAD,
            "decode_vjp": decode_vjp}


def programs_of(pair):
    """Those that a generator alone has, or all."""
    return {name: PROGRAMS[name] for name in (PROGRAMS if pair.D is not None else ("decode", "decode_vjp"))}


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


def cotangents(x):
    """What decode_vjp is tried with: cos(0.7 j) at the j-th value of each sample."""
    return torch.cos(torch.arange(x[0].numel(), dtype=torch.float64) * 0.7).to(x.dtype).reshape(x.shape[1:]).expand(x.shape).contiguous()


def inputs_of(name, pair, n, draw, classes):
    """n rows of what this program takes."""
    z, y = draw(n), ((torch.arange(n) % classes,) if classes else ())
    with torch.no_grad():
        x = pair("G", z, *y).contiguous()
    if name == "decode_vjp":
        return (z, *y, cotangents(x))
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
    if outline(graphs[0][0]) != outline(graphs[1][0]):
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
    for name, function in programs_of(pair).items():
        runner = PyModelRunner(path, name)
        for n in TRIED:
            inputs = inputs_of(name, pair, n, draw, classes)
            ours, theirs = runner.run(*inputs), function(lambda *a: pair(*a), *inputs)
            for a, b in zip(ours if isinstance(ours, (tuple, list)) else (ours,), theirs if isinstance(theirs, tuple) else (theirs,)):
                if a.shape != b.shape or not float((a - b).abs().max()) <= 1e-4 * float(b.abs().max()) + 1e-7:
                    raise Refused(f"{name}: on {n} samples the exported program gives other values than the networks")


# ---- The self-test.

def reference(pair, z, y):
    """Samples, ratios, gradients and pullbacks by autograd, in float64 where the networks allow it; and how far float32 is
    from them. Of a generator alone without ratios and gradients."""
    def values(pair, z):
        z = z.clone().requires_grad_()
        x = pair("G", z, *y)
        pullback = torch.autograd.grad((x * cotangents(x)).sum(), z, retain_graph=True)[0]
        found = {"samples": x.detach().flatten(1), "pullback": pullback}
        if pair.D is not None:
            r = pair("D", x, *y)
            found.update(log_ratio=r.detach(), gradient=torch.autograd.grad(r.sum(), z)[0])
        return found, list(x.shape[1:])

    plain, shape = values(pair, z)
    try:
        exact, _ = values(copy.deepcopy(pair).double(), z.double())
    except Exception:  # a type is written into them
        exact = plain
    error = max(float((plain[k] - v).abs().max() / v.abs().max().clamp(min=1e-30)) for k, v in exact.items())
    return exact, error, shape


def self_test(pair, draw, classes, told):
    z, y = draw(ROWS), ((torch.arange(ROWS) % classes,) if classes else ())
    found, error, shape = reference(pair, z, y)
    if not all(bool(torch.isfinite(v).all()) for v in found.values()):
        raise Refused("values or gradients on draws of the prior are not finite numbers")
    for name, of in (("pullback", "samples"), ("gradient", "ratio")):
        if name in found and float(found[name].abs().max()) == 0:
            raise Refused(f"the gradient of the {of} with respect to z is 0 everywhere: nothing to sample by (rounding, a step, or a "
                          "constant)")
    flat = found.pop("samples")
    at = list(range(0, flat.shape[1], max(1, flat.shape[1] // 128)))
    if error > 1e-3:
        raise Refused(f"float32 is {error:.1e} off float64 on these networks: too far for a self-test")
    tolerance = max(1e-5, 4 * error)
    if tolerance > 1e-5:
        told.append(f"float32 is {error:.1e} off float64 here; the self-test allows {tolerance:.1e}")
    test = {"latents": z.tolist(), "sample_at": at, "samples": flat[:, at].tolist(), **{k: v.tolist() for k, v in found.items()}}
    if classes:
        test["labels"] = y[0].tolist()
    return test, tolerance, shape


def prior_draws(prior, latent_dim):
    generator = torch.Generator().manual_seed(5)

    def draw(n):
        if prior == "uniform":
            return torch.rand(n, latent_dim, generator=generator) * 2 - 1
        z = torch.randn(n, latent_dim, generator=generator)
        return torch.fmod(z, 2) if prior == "truncated_normal" else z
    return draw


def export_gan(generator, discriminator, path, latent_dim, classes=0, prior="normal", tell=print, told=()):
    """Writes `path`; discriminator None: of the generator alone. Returns what was told, as a list of sentences. Raises Refused
    with the cause."""
    path, told = str(path), list(told)
    if not path.endswith(".pt2"):
        raise Refused(f"{path}: the name must end in .pt2")
    draw = prior_draws(prior, latent_dim)
    pair = Pair(*adapt(generator, discriminator, draw, classes, told)).eval()
    test, tolerance, shape = self_test(pair, draw, classes, told)
    programs = {name: export_program(name, pair, draw, classes) for name in programs_of(pair)}
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


def own_networks(a):
    """Of MY_GAN.py."""
    if not a.latent_dim:
        raise Refused("--latent-dim is missing: the size of z")
    if not os.path.isfile(a.source):
        raise Refused(f"{a.source}: there is no such file")
    sys.path.insert(0, os.path.dirname(os.path.abspath(a.source)))
    spec = importlib.util.spec_from_file_location("my_gan", a.source)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not hasattr(module, "gan"):
        raise Refused(f"{a.source}: it needs a function gan() that returns generator and discriminator, or the generator")
    networks = module.gan()
    generator, discriminator = networks if isinstance(networks, (tuple, list)) else (networks, None)
    return Family(generator, discriminator, a.latent_dim, a.classes)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source")
    parser.add_argument("out")
    parser.add_argument("--latent-dim", type=int, default=0, help="of MY_GAN.py")
    parser.add_argument("--classes", type=int, default=0)
    parser.add_argument("--prior", choices=("normal", "uniform", "truncated_normal"), default="normal")
    add_arguments(parser)
    a = parser.parse_args()
    try:
        gan = load_family(a) if a.family else own_networks(a)
        export_gan(gan.generator, gan.discriminator, a.out, gan.latent_dim, gan.classes, a.prior, told=gan.told)
    except Refused as reason:
        sys.exit(str(reason))


if __name__ == "__main__":
    main()
