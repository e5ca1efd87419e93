"""Writes, into the current folder, the archives that pt2_test.sh samples from and those that it must see refused."""
import json
import shutil
import zipfile

import torch
from torch import nn

import my_gan
from archives import repacked, with_value
from export_gan import export_gan as export
from pt2_programs import package

torch.set_num_threads(1)


def one_script(network, *inputs):
    return torch.jit.trace(network.eval(), inputs)


# The archive of the documentation, and the same networks as TorchScript.
G, D = my_gan.gan()
export(G, D, "gan.pt2", latent_dim=16)
with torch.no_grad():
    z = torch.randn(8, 16)
    one_script(G, z).save("G.pt")
    one_script(D, G(z)).save("D.pt")


# Points of three classes, with conventions that are not ours: z as an image, values in [0, 1] of a square, one-hot labels, a sigmoid.
class Points(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(4 + 3, 12), nn.Tanh(), nn.Linear(12, 1 * 2 * 2), nn.Sigmoid())

    def forward(self, z, y):
        return self.net(torch.cat([z[:, :, 0, 0], y], 1)).view(-1, 1, 2, 2)


class Judge(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(4 + 3, 12), nn.SiLU(), nn.Linear(12, 1), nn.Sigmoid())

    def forward(self, x, labels):
        return self.net(torch.cat([x.flatten(1), nn.functional.one_hot(labels, 3).float()], 1))


torch.manual_seed(1)
export(Points(), Judge(), "classes.pt2", latent_dim=4, classes=3)

# What is refused.
score_programs = ("models/score.json", "models/score_grad.json", "models/decode_vjp.json")
repacked("gan.pt2", "three.pt2", drop=score_programs)
repacked("gan.pt2", "no_ratio_grad.pt2", drop=("models/ratio_grad.json",))
repacked("gan.pt2", "no_description.pt2", lambda d: None)
repacked("gan.pt2", "no_json.pt2", lambda d: "{")
repacked("gan.pt2", "no_prior.pt2", with_value("prior", None))
repacked("gan.pt2", "latent.pt2", with_value("latent_dim", 17))
repacked("gan.pt2", "range.pt2", with_value("range", [0, 1]))
repacked("gan.pt2", "self_test.pt2", with_value("self_test", "log_ratio", [1.0, 2.0, 3.0]))


def other_size(description):
    description["latent_dim"] = 17
    for key in ("latents", "gradient", "pullback"):
        description["self_test"][key] = [row + [0.5] for row in description["self_test"][key]]
    return description


def other_gradient(description):
    description["self_test"]["gradient"][1][3] += 1e-3 * max(map(abs, description["self_test"]["gradient"][0]))
    return description


repacked("gan.pt2", "program_latent.pt2", other_size)
repacked("gan.pt2", "gradient.pt2", other_gradient)


def programs_of(decode, ratio, ratio_grad):
    batch = {0: torch.export.Dim("batch")}
    return {name: torch.export.export(network, (z,), dynamic_shapes=(batch,))
            for name, network in (("decode", decode), ("ratio", ratio), ("ratio_grad", ratio_grad))}


class Affine(nn.Module):
    """A GAN on points whose ratio is 0.1 times the sum of z, with a fault that the self-test does not see."""

    def __init__(self, part, fault=""):
        super().__init__()
        self.part, self.fault = part, fault

    def forward(self, z):
        x = z[:, :2].contiguous() * 0.5
        if self.part == "decode":
            return x + 1e-3 * torch.randn_like(x) if self.fault == "noisy" else x
        r = z.sum(1) * 0.1
        if self.fault == "coupled":
            r = r + z.square().mean()
        return (r, torch.full_like(z, 0.1)) if self.part == "ratio_grad" else r


description = {"format": "ddls_dist GAN", "version": 1, "latent_dim": 16, "prior": "normal", "classes": 0, "sample_shape": [2],
               "range": None, "device": "cpu", "torch": torch.__version__, "tolerance": 1e-2,
               "self_test": {"latents": z[:3].tolist(), "sample_at": [0, 1], "samples": (z[:3, :2] * 0.5).tolist(),
                             "log_ratio": (z[:3].sum(1) * 0.1).tolist(), "gradient": torch.full((3, 16), 0.1).tolist()}}
for fault in ("noisy", "coupled"):
    description["self_test"]["log_ratio"] = Affine("ratio", fault)(z[:3]).tolist()
    programs = programs_of(*(Affine(part, fault).eval() for part in ("decode", "ratio", "ratio_grad")))
    package(fault + ".pt2", programs, json.dumps(description))

shutil.copy("my_gan.py", "text.pt2")
shutil.copy("G.pt", "script.pt2")
shutil.copy("gan.pt2", "renamed.pt")
with zipfile.ZipFile("zip.pt2", "w") as plain:
    plain.writestr("hello.txt", "hello")
whole = open("gan.pt2", "rb").read()
open("cut.pt2", "wb").write(whole[:20000])
largest = max(zipfile.ZipFile("gan.pt2").infolist(), key=lambda entry: entry.file_size)
at = largest.header_offset + 200 + largest.file_size // 2
open("flipped.pt2", "wb").write(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1:])
