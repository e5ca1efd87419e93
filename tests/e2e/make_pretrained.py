"""Writes, into the current folder, the generators of pretrained_test.sh: images of 8 x 8 as those of make_images.py, and some that
must be refused."""
import torch
from torch import nn

from archives import repacked, with_value
from export_gan import export_gan as export

torch.set_num_threads(1)


def generator(seed, inputs=6, side=8):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(inputs, 24), nn.LeakyReLU(0.2), nn.Linear(24, side * side), nn.Tanh(), nn.Unflatten(1, (1, side, side)))


class OfClasses(nn.Module):
    """Another offset of z for each class."""

    def __init__(self, classes):
        super().__init__()
        self.net = generator(3)
        self.offset = nn.Embedding(classes, 6)

    def forward(self, z, y):
        return self.net(z + self.offset(y))


class ChannelsLastInside(nn.Module):
    """Its latent becomes an image by a view and a permutation, so that the strides of its gradients depend on who computes them."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(6, 2 * 2 * 8)
        self.net = nn.Sequential(nn.ReLU(), nn.ConvTranspose2d(8, 8, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(8, 1, 4, 2, 1), nn.Tanh())

    def forward(self, z):
        return self.net(self.first(z).view(-1, 2, 2, 8).permute(0, 3, 1, 2))


export(ChannelsLastInside().eval(), None, "channels_last_inside.pt2", latent_dim=6)
torch.manual_seed(5)
D = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1))
export(generator(1), None, "given.pt2", latent_dim=6)
export(generator(2), None, "other.pt2", latent_dim=6)
export(generator(1), D, "judged.pt2", latent_dim=6, prior="uniform")
export(OfClasses(4), None, "classes.pt2", latent_dim=6, classes=4)
export(OfClasses(3), None, "three_classes.pt2", latent_dim=6, classes=3)
export(generator(1, side=16), None, "large.pt2", latent_dim=6)
torch.jit.trace(generator(1).eval(), torch.randn(8, 6)).save("given.pt")

repacked("given.pt2", "no_vjp.pt2", drop=("models/decode_vjp.json",))
repacked("given.pt2", "pullback.pt2", with_value("self_test", "pullback", [[1.0] * 6] * 3))
repacked("given.pt2", "no_test.pt2", with_value("self_test", "pullback", None))
open("text.pt2", "w").write("hello")
