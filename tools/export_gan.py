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

  --aot adds the programs as native code for this kind of processor (needs g++, and half a minute for each).

From Python: `from export_gan import export_gan; export_gan(G, D, "gan.pt2", latent_dim=K)`; D may be None. Conventions that are not
those of ddls_dist are told and adapted (docs/export.md): z as an image, images in [0, 1], sigmoid at the end, noise
drawn inside, minibatch statistics, float16 blocks. Needs torch 2.11 or later; nothing is downloaded.
"""
import argparse
import json
import os
import sys

import torch
from torch import nn

from gan_conventions import Refused, adapt
from gan_families import Family, add_arguments, load_family
from pt2_compile import compiled, portable_code, try_compiled
from pt2_programs import are_finite, cotangents, exact_values, export_program, own_function, package, tolerance_for, try_programs

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


PROGRAMS = {"decode": decode, "ratio": ratio, "ratio_grad": with_gradient(ratio), "score": score, "score_grad": with_gradient(score),
            "decode_vjp": decode_vjp}


def programs_of(pair):
    """Those that a generator alone has, or all."""
    return {name: PROGRAMS[name] for name in (PROGRAMS if pair.D is not None else ("decode", "decode_vjp"))}


def inputs_of(name, pair, n, draw, classes):
    """n rows of what this program takes."""
    z, y = draw(n), ((torch.arange(n) % classes,) if classes else ())
    with torch.no_grad():
        x = pair("G", z, *y).contiguous()
    if name == "decode_vjp":
        return (z, *y, cotangents(x))
    return (x if name.startswith("score") else z, *y)


def export_one(name, pair, draw, classes):
    part = {"decode": "G.", "decode_vjp": "G.", "score": "D.", "score_grad": "D."}.get(name, "")
    batch = torch.export.Dim("batch")
    return export_program(name, pair, PROGRAMS[name], lambda n: inputs_of(name, pair, n, draw, classes), TRACED,
                          lambda inputs: tuple({0: batch} for _ in inputs), part, of="networks",
                          depends="the batch size: a number of samples is written into a network")


# ---- The self-test.

def reference(pair, z, y):
    """Samples, ratios, gradients and pullbacks by autograd; of a generator alone without ratios and gradients."""
    def values(pair, dtype):
        v = z.to(dtype, copy=True).requires_grad_()
        x = pair("G", v, *y)
        pullback = torch.autograd.grad((x * cotangents(x)).sum(), v, retain_graph=True)[0]
        found = {"samples": x.detach(), "pullback": pullback}
        if pair.D is not None:
            r = pair("D", x, *y)
            found.update(log_ratio=r.detach(), gradient=torch.autograd.grad(r.sum(), v)[0])
        return found
    return exact_values(values, pair)


def self_test(pair, draw, classes, told):
    z, y = draw(ROWS), ((torch.arange(ROWS) % classes,) if classes else ())
    found, error = reference(pair, z, y)
    if not are_finite(found):
        raise Refused("values or gradients on draws of the prior are not finite numbers")
    for name, of in (("pullback", "samples"), ("gradient", "ratio")):
        if name in found and float(found[name].abs().max()) == 0:
            raise Refused(f"the gradient of the {of} with respect to z is 0 everywhere: nothing to sample by (rounding, a step, or a "
                          "constant)")
    shape = list(found["samples"].shape[1:])
    flat = found.pop("samples").flatten(1)
    at = list(range(0, flat.shape[1], max(1, flat.shape[1] // 128)))
    tolerance = tolerance_for(error, "these networks", told)
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


def compile_programs(programs, pair, draw, classes, told):
    """Files of native code, for each program."""
    with portable_code() as instructions:
        native = {name: compiled(name, program) for name, program in programs.items()}
    for name, files in native.items():
        try_compiled(name, files, lambda *inputs, name=name: PROGRAMS[name](pair, *inputs), lambda n, name=name: inputs_of(name, pair, n, draw, classes), TRIED)
    told.append(f"{', '.join(native)} also compiled for {instructions}: native code, which ddls_dist runs where model.compiled is auto")
    return native


def export_gan(generator, discriminator, path, latent_dim, classes=0, prior="normal", tell=print, told=(), aot=()):
    """Writes `path`; discriminator None: of the generator alone. `aot`: names of programs that are there compiled, too; True: all. Returns
    what was told, as a list of sentences. Raises Refused with the cause."""
    path, told = str(path), list(told)
    if not path.endswith(".pt2"):
        raise Refused(f"{path}: the name must end in .pt2")
    draw = prior_draws(prior, latent_dim)
    pair = Pair(*adapt(generator, discriminator, draw, classes, told)).eval()
    test, tolerance, shape = self_test(pair, draw, classes, told)
    functions = programs_of(pair)
    programs = {name: export_one(name, pair, draw, classes) for name in functions}
    chosen = {name: programs[name] for name in (programs if aot is True else aot)}
    native = compile_programs(chosen, pair, draw, classes, told) if chosen else None
    description = {
        "format": "ddls_dist GAN", "version": 1, "latent_dim": latent_dim, "prior": prior, "classes": classes,
        "sample_shape": shape, "range": [-1, 1] if len(shape) == 3 else None, "device": "cpu",
        "torch": torch.__version__, "told": told,
        "checked": {"batch_sizes": list(TRIED), "traced_at": list(TRACED), "rows_are_independent": True, "repeats": True},
        "tolerance": tolerance, "self_test": test}
    package(path, programs, json.dumps(description), lambda partial: try_programs(
        partial, pair, functions, lambda name, n: inputs_of(name, pair, n, draw, classes), TRIED, ("samples", "networks")), native)
    for sentence in told:
        tell(sentence)
    tell(f"{path}: samples {shape}, {os.path.getsize(path) / 1e6:.1f} MB, programs {', '.join(programs)}")
    return told


def own_networks(a):
    """Of MY_GAN.py."""
    if not a.latent_dim:
        raise Refused("--latent-dim is missing: the size of z")
    networks = own_function(a.source, "my_gan", "gan", "generator and discriminator, or the generator")()
    generator, discriminator = networks if isinstance(networks, (tuple, list)) else (networks, None)
    return Family(generator, discriminator, a.latent_dim, a.classes)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source")
    parser.add_argument("out")
    parser.add_argument("--latent-dim", type=int, default=0, help="of MY_GAN.py")
    parser.add_argument("--classes", type=int, default=0)
    parser.add_argument("--aot", action="store_true", help="compile the programs, too, by AOTInductor and g++ (docs/export.md)")
    parser.add_argument("--prior", choices=("normal", "uniform", "truncated_normal"), default="normal")
    add_arguments(parser)
    a = parser.parse_args()
    try:
        gan = load_family(a) if a.family else own_networks(a)
        export_gan(gan.generator, gan.discriminator, a.out, gan.latent_dim, gan.classes, a.prior, told=gan.told, aot=a.aot)
    except Refused as reason:
        sys.exit(str(reason))


if __name__ == "__main__":
    main()
