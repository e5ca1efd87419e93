"""What generators and discriminators from elsewhere do otherwise than ddls_dist, found, changed and told; for export_gan.py.

`told` is a list of sentences for the user.
"""
import copy
import inspect
import re

import torch
from torch import nn
from torch.nn.utils import parametrize
from torch.overrides import TorchFunctionMode


class Refused(Exception):
    """The message for the user."""


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
    norms = [(getattr(m, f"{of}_mean"), getattr(m, f"{of}_var")) for m in network.modules() for of in ("running", "stored")
             if getattr(m, f"{of}_mean", None) is not None and getattr(m, f"{of}_var", None) is not None]
    if norms and all(bool((mean == 0).all()) and bool((var == 1).all()) for mean, var in norms):
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


def first_output(network, role, inputs, told):
    """The network, whose outputs are one tensor now, and that tensor."""
    outputs = network(*inputs)
    if not isinstance(outputs, (tuple, list)):
        return network, outputs
    told.append(f"{role}: it returns several values; the first is taken")
    network = Adapted(network, after=lambda outputs: outputs[0])
    return network, network(*inputs)


def sample_range(network, z, y, told):
    """Samples as ddls_dist takes them: points [n, d], or images [n, 1 or 3, H, W] in [-1, 1]."""
    network, x = first_output(network, "generator", (z, *y), told)
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
    network, scores = first_output(network, "discriminator", (x, *y), told)
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


def adapt(generator, discriminator, draw, classes, told):
    """Both networks with the conventions of ddls_dist. draw(n) gives latents; discriminator None: there is none."""
    z, others, y = draw(16), draw(16) * 0.5, ((torch.arange(16) % classes,) if classes else ())
    with torch.no_grad():
        g = adapt_generator(prepare(generator, told, "generator"), z, y, classes, told)
        first = lambda *inputs: (lambda x: x[0] if isinstance(x, (tuple, list)) else x)(g(*inputs))
        if not isinstance(g(z, *y), (tuple, list)):
            g = steady(g, "generator", (z, *y), others, told)
        g = sample_range(g, z, y, told)
        if same(g(z * 2, *y), first(z, *y), 1e-4) or same(g(z * 2, *y), g(z, *y), 1e-4):
            told.append("generator: it uses z / |z| alone; |z| is free, and chains move along it without effect")
        if discriminator is None:
            return g, None
        x = g(z, *y).contiguous()
        ways = [(None, None)]
        ways += [("labels are given one-hot", lambda x, y: (x, one_hot(y, classes, x)))] if y else [
            ("it takes a second argument; given None", lambda x: (x, None))]
        d, sentence = first_that_works(prepare(discriminator, told, "discriminator"), "discriminator", (x, *y), ways)
        if sentence:
            told.append("discriminator: " + sentence)
        d = one_score(d, x, y, told)
        d = steady(d, "discriminator", (x, *y), x.flip(0) * 0.3, told)
        return g, without_sigmoid(d, x, y, told)
