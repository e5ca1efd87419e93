"""Programs of .pt2 archives, for export_gan.py and export_extractor.py: networks traced at two sizes and exported, written into one archive,
run as ddls_dist runs them, and the numbers of their self-test."""
import copy
import hashlib
import importlib.util
import os
import sys
import tempfile

import torch
from torch import nn
from torch.fx.experimental.proxy_tensor import make_fx
from torch.overrides import TorchFunctionMode

from gan_conventions import Refused


# ---- Graphs.

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


def trace(network, function, inputs, part=""):
    """The graph of function(network, *inputs), and the weights in it: those whose names begin with `part`."""
    state = {k: v.detach().contiguous() for k, v in (*network.named_parameters(), *network.named_buffers()) if k.startswith(part)}

    def flat(state, *inputs):
        with Traceable():
            return function(lambda *a: torch.func.functional_call(network, state, a), *inputs)

    graph = make_fx(flat, tracing_mode="symbolic", _allow_non_fake_inputs=True)(state, *inputs)
    return tidy(graph), state


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


def export_program(name, network, function, inputs_of, sizes, dynamic, part="", of="network", depends="the batch size"):
    """function(network, *inputs) for inputs of any size. Traced on inputs_of(size) for two sizes, whose graphs must be the same; `dynamic`: for
    each input which of its dimensions vary. `of` and `depends`: how messages call the networks, and what a size that is written into them."""
    try:
        both = [inputs_of(size) for size in sizes]
        graphs = [trace(network, function, inputs, part) for inputs in both]
    except Refused:
        raise
    except Exception as error:  # whatever the tracer and a foreign network throw
        raise Refused(f"{name}: the {of} cannot be traced: {type(error).__name__}: "
                      f"{(str(error).strip() or chr(63)).splitlines()[0]}") from error
    if outline(graphs[0][0]) != outline(graphs[1][0]):
        raise Refused(f"{name}: the graph depends on {depends}")
    make_dense(graphs[0][0])
    return torch.export.export(Traced(*graphs[0]), both[0], dynamic_shapes=(dynamic(both[0]),), strict=False)


# ---- Archives, and how they run.

def require_same(what, given, expected):
    """Values, one tensor or several, that are those of the networks to rounding."""
    several = [v if isinstance(v, (tuple, list)) else (v,) for v in (given, expected)]
    for a, b in zip(*several):
        if a.shape != b.shape or (b.numel() and not float((a - b).abs().max()) <= 1e-4 * float(b.abs().max()) + 1e-7):
            raise Refused(what)


def try_programs(path, network, functions, inputs_of, sizes, what):
    """The archive as ddls_dist runs it, in nativert, at batch sizes that it was not traced with. inputs_of(name, size); `what` the batch is
    of, and how the networks are called."""
    from torch._C._nativert import PyModelRunner
    for name, function in functions.items():
        runner = PyModelRunner(path, name)
        for n in sizes:
            inputs = inputs_of(name, n)
            require_same(f"{name}: on {n} {what[0]} the exported program gives other values than the {what[1]}", runner.run(*inputs),
                         function(network, *inputs))


def package(path, programs, description, try_it=lambda path: None, native=None):
    """One archive, in which weights that are the same are there once; kept where try_it(path) does not throw. `native`: files of compiled
    programs (pt2_compile.py), by name."""
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
            _package.package_pt2(partial, exported_programs=programs, aoti_files=native, extra_files={"ddls.json": description})
            try_it(partial)
            os.replace(partial, path)
    finally:
        _package._save_raw_tensors = plain


# ---- The self-test.

def cotangents(x):
    """What backward passes are tried with: cos(0.7 j) at the j-th value of each row."""
    return torch.cos(torch.arange(x[0].numel(), dtype=torch.float64) * 0.7).to(x.dtype).reshape(x.shape[1:]).expand(x.shape).contiguous()


def exact_values(values, network):
    """The tensors values(network, dtype), in float64 where the network allows it; and how far those in float32 are from them, in shares of
    the largest."""
    plain = values(network, torch.float32)
    try:
        exact = values(copy.deepcopy(network).double(), torch.float64)
    except Exception:  # a type is written into it
        exact = plain
    return exact, max(float((plain[k] - v).abs().max() / v.abs().max().clamp(min=1e-30)) for k, v in exact.items() if v.numel())


def are_finite(values):
    return all(bool(torch.isfinite(v).all()) for v in values.values())


def tolerance_for(error, of, told):
    """Of a self-test, where float32 is so far off float64."""
    if error > 1e-3:
        raise Refused(f"float32 is {error:.1e} off float64 on {of}: too far for a self-test")
    tolerance = max(1e-5, 4 * error)
    if tolerance > 1e-5:
        told.append(f"float32 is {error:.1e} off float64 here; the self-test allows {tolerance:.1e}")
    return tolerance


# ---- Files of the user.

def own_function(source, module, function, gives):
    """The function of that name in a Python file; `gives`: what it must return."""
    if not os.path.isfile(source):
        raise Refused(f"{source}: there is no such file")
    sys.path.insert(0, os.path.dirname(os.path.abspath(source)))
    spec = importlib.util.spec_from_file_location(module, source)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    if not hasattr(loaded, function):
        raise Refused(f"{source}: it needs a function {function}() that returns {gives}")
    return getattr(loaded, function)
