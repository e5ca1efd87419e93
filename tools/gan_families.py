"""Published families of GANs as two modules, G(z) or G(z, labels) and D(x) or D(x, labels), for export_gan.py. Their code is that of the
user's checkout of their repository (--repo), which is imported; a pickle or a whole checkpoint is a program: take it only from where you
would take a program.

A family is a function of the command's arguments that returns a Family.
"""
import contextlib
import dataclasses
import importlib
import importlib.machinery
import inspect
import json
import os
import pickle
import sys
import types

import torch
import torch.nn.functional as F
from torch import nn

from gan_conventions import Refused
from gan_layers import fold_spectral_norms, takes, without_groups, without_low_precision


@dataclasses.dataclass
class Family:
    generator: nn.Module
    discriminator: nn.Module | None
    latent_dim: int
    classes: int = 0
    told: list = dataclasses.field(default_factory=list)


# ---- Files and repositories.

def require_file(path, option):
    if not path:
        raise Refused(f"{option} is missing: it names the file")
    if not os.path.isfile(path):
        raise Refused(f"{path}: there is no such file")
    return path


@contextlib.contextmanager
def repository(folder, has):
    """Imports come from this checkout first."""
    if not folder:
        raise Refused("--repo is missing: the folder of the family's own repository, whose code is imported")
    folder = os.path.abspath(folder)
    if not os.path.exists(os.path.join(folder, has)):
        raise Refused(f"--repo {folder}: it has no {has}; is it a checkout of this family's repository?")
    sys.path.insert(0, folder)
    importlib.invalidate_caches()
    try:
        yield folder
    except ModuleNotFoundError as error:
        raise Refused(f"--repo {folder}: its code needs the module '{error.name}': install it, or run this in the repository's own "
                      "environment") from error


def load(path, option):
    """What torch.save wrote, on the CPU."""
    require_file(path, option)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # it holds more than tensors
        try:
            return torch.load(path, map_location="cpu", weights_only=False)
        except Exception as error:
            raise Refused(f"{path}: torch.load cannot read it: {(str(error).strip() or type(error).__name__).splitlines()[0]}") from error


def state_of(path, option):
    """The weights in a checkpoint, whatever they are wrapped in."""
    state = load(path, option)
    if isinstance(state, nn.Module):
        return state.state_dict()
    for inner in ("model_state_dict", "state_dict"):
        if isinstance(state.get(inner), dict):
            state = state[inner]
    return {name.removeprefix("module."): value for name, value in state.items() if isinstance(value, torch.Tensor)}


def fill(network, path, option):
    try:
        network.load_state_dict(state_of(path, option))
    except RuntimeError as error:
        raise Refused(f"{path}: not the weights of {type(network).__name__}: {' '.join(str(error).split())[:300]}") from error
    return network.eval()


def pickled(path, option):
    require_file(path, option)
    try:
        with open(path, "rb") as file:
            return Unpickler(file).load()
    except (ModuleNotFoundError, Refused):
        raise
    except Exception as error:
        raise Refused(f"{path}: it cannot be unpickled: {type(error).__name__}: {(str(error).strip() or chr(63)).splitlines()[0]}") from error


class Unpickler(pickle.Unpickler):
    """With tensors that were on a GPU."""

    def find_class(self, module, name):
        if module == "torch.storage" and name == "_load_from_bytes":
            import io
            return lambda data: torch.load(io.BytesIO(data), map_location="cpu", weights_only=False)
        return super().find_class(module, name)


# ---- What they share.

class Clamped(nn.Module):
    """Values beyond what is displayed are cut off, as each of these repositories does before it writes a picture."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, *inputs):
        return self.network(*inputs).clamp(-1, 1)


CLAMPED = "generator: its images are clamped to [-1, 1], as they are for display"


# ---- StyleGAN2-ADA, StyleGAN3, StyleGAN-XL, R3GAN: pickles of networks that bring their code.

class OfStyle(nn.Module):
    """network(z, c), c one-hot or empty, with fixed options."""

    def __init__(self, network, classes, options):
        super().__init__()
        self.network, self.classes, self.options = network, classes, options

    def forward(self, x, y=None):
        c = F.one_hot(y, self.classes).to(x.dtype) if self.classes else x.new_zeros([x.shape[0], 0])
        return self.network(x, c, **self.options)


def style(a):
    with repository(a.repo, "torch_utils"):
        data = pickled(a.source, "the pickle")
        if not isinstance(data, dict) or "G_ema" not in data and "G" not in data:
            raise Refused(f"{a.source}: no pickle of this family: it has no G_ema")
        told = []
        if data.get("G_ema") is None:
            told.append("generator: the pickle has no moving average of its weights; G is taken")
        generator = without_low_precision((data.get("G_ema") or data["G"]).eval().float())
        discriminator = None if a.no_discriminator or data.get("D") is None else without_low_precision(data["D"].eval().float())
    options = {}
    if any(p.kind is p.VAR_KEYWORD for p in inspect.signature(generator.forward).parameters.values()):
        options = {"noise_mode": "const", "force_fp32": True, **without_groups(generator)}
        told.append("generator: noise inputs are fixed (noise_mode='const')")
    if a.truncation is not None:
        if not takes(generator.forward, "truncation_psi"):
            raise Refused("--truncation: this generator has no truncation")
        options["truncation_psi"] = a.truncation
        told.append(f"generator: truncated with psi {a.truncation:g}: its law is the truncated one, and the data's is not within it")
    classes = int(getattr(generator, "c_dim", 0) or 0)
    told.append(CLAMPED)
    d_options = {"force_fp32": True} if discriminator is not None and any(
        p.kind is p.VAR_KEYWORD for p in inspect.signature(discriminator.forward).parameters.values()) else {}
    return Family(Clamped(OfStyle(generator, classes, options)), None if discriminator is None else OfStyle(discriminator, classes, d_options),
                  int(generator.z_dim), classes, told)


# ---- mimicry.

def mimicry(a):
    """--model sngan_32: torch_mimicry/nets/sngan/sngan_32.py; other families and sizes likewise."""
    if not a.model or not a.model.rpartition("_")[2].isdigit():
        raise Refused("--model is missing: a family and a side as mimicry names its files, as sngan_32 or cgan_pd_64")
    family, _, side = a.model.rpartition("_")
    with repository(a.repo, "torch_mimicry") as folder:
        for name in ("torch_mimicry", "torch_mimicry.nets"):  # their __init__ imports all the rest, TensorFlow among it
            if name not in sys.modules:
                sys.modules[name] = types.ModuleType(name)
                sys.modules[name].__path__ = [os.path.join(folder, *name.split("."))]
        try:
            module = importlib.import_module(f"torch_mimicry.nets.{family}.{family}_{side}")
        except ModuleNotFoundError as error:
            if not str(error.name).startswith("torch_mimicry"):
                raise
            raise Refused(f"--model {a.model}: the repository has no torch_mimicry/nets/{family}/{family}_{side}.py") from error
    made = {}
    for role in ("Generator", "Discriminator"):
        kinds = [k for n, k in vars(module).items() if inspect.isclass(k) and n.endswith(f"{role}{side}")]
        if not kinds:
            raise Refused(f"--model {a.model}: {module.__name__} has no class ...{role}{side}")
        made[role] = kinds[0]
    conditional = {"num_classes": a.classes} if a.classes else {}
    generator = fold_spectral_norms(fill(made["Generator"](**conditional, **a.options), a.source, "the generator's file"))
    discriminator = None
    if a.discriminator:
        discriminator = fold_spectral_norms(fill(made["Discriminator"](**conditional, **a.options), a.discriminator, "--discriminator"))
    return Family(generator, discriminator, int(generator.nz), a.classes)


# ---- BigGAN-PyTorch.

class OfBigGan(nn.Module):
    """G takes the classes' shared vectors."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, z, y):
        return self.network(z, self.network.shared(y))


def biggan(a):
    """--config: state_dict.pth of the run, which has its configuration, or that as .json."""
    path = require_file(a.config, "--config")
    config = json.load(open(path)) if path.endswith(".json") else load(path, "--config").get("config")
    if not isinstance(config, dict):
        raise Refused(f"{path}: it has no 'config'; give state_dict.pth of the run, or its configuration as .json")
    config = {**config, "skip_init": True, "no_optim": True, **a.options}
    for key in ("G_activation", "D_activation", "G_nl", "D_nl"):
        if isinstance(config.get(key), str):
            del config[key]
    with repository(a.repo, "BigGAN.py"):
        module = importlib.import_module(config.get("model", "BigGAN") if os.path.exists(os.path.join(a.repo, f"{config.get('model', 'BigGAN')}.py"))
                                         else "BigGAN")
        generator = module.Generator(**config)
        generator = fold_spectral_norms(fill(generator, a.source, "the generator's file"))
        discriminator = None
        if a.discriminator:
            discriminator = fold_spectral_norms(fill(module.Discriminator(**config), a.discriminator, "--discriminator"))
    told = ["generator: BigGAN is often sampled by truncated z; here z is as --prior says"]
    return Family(OfBigGan(generator), discriminator, int(generator.dim_z), int(generator.n_classes), told)


# ---- StudioGAN.

class OfStudio(nn.Module):
    """network(x, labels, eval=True); a discriminator gives a dictionary."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x, y=None):
        y = y if y is not None else torch.zeros([x.shape[0]], dtype=torch.int64, device=x.device)
        outputs = self.network(x, y, eval=True)
        return outputs["adv_output"] if isinstance(outputs, dict) else outputs


def studiogan(a):
    """--config: the .yaml of src/configs with which the run was made."""
    path = os.path.abspath(require_file(a.config, "--config"))
    source = os.path.join(a.repo or "", "src") if a.repo and os.path.isdir(os.path.join(a.repo, "src")) else a.repo
    with repository(source, "config.py"):
        cfgs = importlib.import_module("config").Configurations(path)
        cfgs.define_modules()
        cfgs.RUN.mixed_precision = False
        networks = importlib.import_module("models.model").load_generator_discriminator(
            DATA=cfgs.DATA, OPTIMIZATION=cfgs.OPTIMIZATION, MODEL=cfgs.MODEL, STYLEGAN=cfgs.STYLEGAN, MODULES=cfgs.MODULES, RUN=cfgs.RUN,
            device="cpu", logger=None)
    generator, discriminator = networks[0], networks[3]
    fill(generator, a.source, "the generator's file")
    conditional = cfgs.MODEL.g_cond_mtd != "W/O"
    told = []
    if a.discriminator:
        fill(discriminator, a.discriminator, "--discriminator")
        if not conditional and cfgs.MODEL.d_cond_mtd != "W/O":
            raise Refused(f"{a.config}: D takes labels and G none; export G alone")
    if "ema" not in os.path.basename(a.source).lower():
        told.append("generator: by its name not the moving average (model=G_ema-...): FID of the two differs much")
    return Family(OfStudio(generator), OfStudio(discriminator) if a.discriminator else None, int(cfgs.MODEL.z_dim),
                  int(cfgs.DATA.num_classes) if conditional else 0, told)


# ---- The DCGAN of PyTorch's tutorial, from its weights alone.

def dcgan_layers(state, path, transposed):
    """main.0, main.1, ...: 4 x 4 convolutions of stride 2, the first of G and the last of D of stride 1, batch norms between."""
    at = sorted({int(name.split(".")[1]) for name in state if name.startswith("main.")})
    convolutions = [i for i in at if state[f"main.{i}.weight"].dim() == 4]
    if not convolutions or len(state) != sum(name.startswith("main.") for name in state):
        raise Refused(f"{path}: no weights of the tutorial's DCGAN: its layers are main.0.weight and so on")
    layers = {}
    for i in convolutions:
        weight = state[f"main.{i}.weight"]
        lone = i == (convolutions[0] if transposed else convolutions[-1])
        kind = nn.ConvTranspose2d if transposed else nn.Conv2d
        layers[i] = kind(weight.shape[1 - transposed], weight.shape[transposed * 1], weight.shape[2:], 1 if lone else 2, 0 if lone else 1,
                         bias=f"main.{i}.bias" in state)
    for i in at:
        if i not in layers:
            layers[i] = nn.BatchNorm2d(state[f"main.{i}.weight"].shape[0])
    last = convolutions[-1]
    for i in range(last):
        layers.setdefault(i, nn.ReLU() if transposed else nn.LeakyReLU(0.2))
    layers[last + 1] = nn.Tanh() if transposed else nn.Sigmoid()
    network = nn.Sequential(*(layers[i] for i in range(last + 2)))
    try:
        network.load_state_dict({name.removeprefix("main."): value for name, value in state.items()})
    except RuntimeError as error:
        raise Refused(f"{path}: not laid out as the tutorial's DCGAN: {' '.join(str(error).split())[:200]}") from error
    return network.eval()


def dcgan(a):
    state = state_of(a.source, "the generator's file")
    generator = dcgan_layers(state, a.source, True)
    discriminator = dcgan_layers(state_of(a.discriminator, "--discriminator"), a.discriminator, False) if a.discriminator else None
    return Family(generator, discriminator, int(next(m for m in generator if isinstance(m, nn.ConvTranspose2d)).in_channels))


# ---- One-step generators in EDM's form: an image of noise in, an image out.

class OneStep(nn.Module):
    def __init__(self, network, shape, classes, sigma):
        super().__init__()
        self.network, self.shape, self.classes, self.sigma = network, shape, classes, sigma

    def forward(self, z, y=None):
        c = F.one_hot(y, self.classes).to(z.dtype) if self.classes else None
        x = z.reshape(z.shape[0], *self.shape) * self.sigma
        return self.network(x, torch.full([1], self.sigma, dtype=z.dtype, device=z.device), c)


def edm(a):
    """--sigma: the level of noise at which it makes images in one step (SiD: 2.5; consistency models: 80)."""
    if a.sigma is None:
        raise Refused("--sigma is missing: the level of noise at which the generator makes images in one step (SiD: 2.5, others 80)")
    with repository(a.repo, "torch_utils"):
        data = pickled(a.source, "the pickle")
    network = data.get("ema", data.get("G_ema")) if isinstance(data, dict) else data
    if not isinstance(network, nn.Module):
        raise Refused(f"{a.source}: no pickle of this family: it has no network 'ema'")
    shape = (int(network.img_channels), int(network.img_resolution), int(network.img_resolution))
    size = shape[0] * shape[1] * shape[2]
    told = [f"generator: z is an image of noise, times sigma {a.sigma:g}; its {size} values are the latent: pcn and elliptical_slice keep "
            "their step sizes there", CLAMPED]
    classes = int(getattr(network, "label_dim", 0) or 0)
    return Family(Clamped(OneStep(network.eval().float(), shape, classes, float(a.sigma))), None, size, classes, told)


FAMILIES = {"stylegan2-ada": style, "stylegan3": style, "r3gan": style, "mimicry": mimicry, "studiogan": studiogan, "biggan": biggan,
            "dcgan": dcgan, "edm": edm}


def add_arguments(parser):
    parser.add_argument("--family", choices=FAMILIES, help="SOURCE is a file of weights of this family, and not MY_GAN.py")
    parser.add_argument("--repo", help="checkout of the family's repository")
    parser.add_argument("--discriminator", help="its file, where it is not in SOURCE")
    parser.add_argument("--no-discriminator", action="store_true", help="the generator alone, whatever SOURCE has")
    parser.add_argument("--model", help="mimicry: family and side, as sngan_32")
    parser.add_argument("--config", help="biggan: state_dict.pth of the run, or .json; studiogan: its .yaml")
    parser.add_argument("--option", action="append", default=[], metavar="NAME=VALUE",
                        help="biggan, mimicry: an argument of the networks' constructors, VALUE in JSON")
    parser.add_argument("--truncation", type=float, metavar="PSI", help="stylegan2-ada, stylegan3: truncated samples")
    parser.add_argument("--sigma", type=float, help="edm: level of noise of the one step")


def load_family(a):
    if a.no_discriminator:
        a.discriminator = None
    a.options = {name: json.loads(value) for name, _, value in (text.partition("=") for text in a.option)}
    family = FAMILIES[a.family](a)
    if a.classes and a.classes != family.classes:
        raise Refused(f"--classes is {a.classes}, but the networks have {family.classes}; leave it out")
    if a.latent_dim and a.latent_dim != family.latent_dim:
        raise Refused(f"--latent-dim is {a.latent_dim}, but the generator takes {family.latent_dim}; leave it out")
    return family
