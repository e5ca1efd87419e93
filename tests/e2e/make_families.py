"""Writes, into the current folder, small networks in the layouts of published families, with code as of a checkout of each repository and
weights as these write them; exports them by tools/export_gan.py, and holds `decode` against the networks themselves."""
import importlib
import os
import pickle
import subprocess
import sys
import textwrap

import torch
from torch import nn

torch.set_num_threads(1)
torch.manual_seed(0)
tool = os.path.join(os.environ["DDLS_SOURCE_DIR"], "tools", "export_gan.py")


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(textwrap.dedent(text))


def export(*arguments, refuses=None):
    done = subprocess.run([sys.executable, tool, *arguments], capture_output=True, text=True)
    if refuses is not None:
        assert done.returncode == 1 and refuses in done.stderr and "Traceback" not in done.stderr, (arguments, done.stderr)
        return ""
    assert done.returncode == 0, (arguments, done.stderr)
    return done.stdout


def decoded(path, *inputs):
    from torch._C._nativert import PyModelRunner
    outputs = PyModelRunner(path, "decode").run(*inputs)
    return outputs[0] if isinstance(outputs, (tuple, list)) else outputs


def close(a, b, what):
    assert a.shape == b.shape and float((a - b).abs().max()) < 1e-4, (what, a.shape, b.shape, float((a - b).abs().max()))


def code_of(folder, name):
    sys.path.insert(0, folder)
    return importlib.import_module(name)


# ---- StyleGAN2-ADA: noise, a group for each sample, float16 blocks, minibatch statistics, one-hot labels; a pickle of the networks.
write("style/torch_utils/__init__.py", "")
write("style/tiny_style.py", """
    import torch
    from torch import nn

    class SynthesisLayer(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight, self.affine = nn.Parameter(torch.randn(6, 6, 3, 3) * 0.2), nn.Linear(5, 6)
            self.use_fp16 = True

        def forward(self, x, w, noise_mode="random", fused_modconv=None, force_fp32=False):
            n = int(x.shape[0]) if fused_modconv is None else x.shape[0]
            s = self.affine(w)
            if fused_modconv is None:
                weight = (self.weight[None] * s[:, None, :, None, None]).reshape(n * 6, 6, 3, 3)
                x = nn.functional.conv2d(x.reshape(1, n * 6, *x.shape[2:]), weight, padding=1, groups=n).reshape(n, 6, *x.shape[2:])
            else:
                x = nn.functional.conv2d(x * s[:, :, None, None], self.weight, padding=1)
            if noise_mode == "random":
                x = x + 0.3 * torch.randn([x.shape[0], 1, *x.shape[2:]])
            return torch.tanh(x.half().float() if self.use_fp16 and not force_fp32 else x)

    class Generator(nn.Module):
        def __init__(self, c_dim):
            super().__init__()
            self.z_dim, self.c_dim = 4, c_dim
            self.mapping, self.const = nn.Linear(4 + c_dim, 5), nn.Parameter(torch.randn(1, 6, 8, 8))
            self.layer, self.rgb = SynthesisLayer(), nn.Conv2d(6, 3, 1)

        def forward(self, z, c, truncation_psi=1, **synthesis_kwargs):
            z = torch.cat([z * (z.square().mean(1, keepdim=True) + 1e-8).rsqrt(), c], 1)
            w = self.mapping(z) * truncation_psi
            return 1.5 * self.rgb(self.layer(self.const.expand(z.shape[0], -1, -1, -1), w, **synthesis_kwargs))

    class MinibatchStdLayer(nn.Module):
        num_channels = 1

        def forward(self, x):
            y = x.std(0).mean() * x.new_ones([x.shape[0], 1, *x.shape[2:]])
            return torch.cat([x, y], 1)

    class Discriminator(nn.Module):
        def __init__(self, c_dim):
            super().__init__()
            self.conv, self.std, self.out = nn.Conv2d(3, 4, 3, 2, 1), MinibatchStdLayer(), nn.Linear(5 * 16, max(1, c_dim))
            self.c_dim = c_dim

        def forward(self, x, c, **block_kwargs):
            y = self.out(self.std(torch.relu(self.conv(x))).flatten(1))
            return (y * c).sum(1, keepdim=True) if self.c_dim else y

    class Stage(nn.Module):
        DataType = torch.bfloat16

        def __init__(self):
            super().__init__()
            self.DataType, self.layer = torch.bfloat16, nn.Conv2d(4, 3, 3, 1, 1)

        def forward(self, x):
            x = x.to(self.DataType)
            return nn.functional.conv2d(x, self.layer.weight.to(x.dtype), padding=1).float()

    class R3Generator(nn.Module):
        def __init__(self):
            super().__init__()
            self.z_dim, self.c_dim = 4, 2
            self.linear, self.stage = nn.Linear(6, 4 * 64), Stage()

        def forward(self, x, c):
            return self.stage(self.linear(torch.cat([x, c], 1)).view(-1, 4, 8, 8))
    """)
style = code_of("style", "tiny_style")
for classes in (0, 3):
    G, D = style.Generator(classes).eval(), style.Discriminator(classes).eval()
    with open(f"style{classes}.pkl", "wb") as file:
        pickle.dump({"G": G, "D": D, "G_ema": G, "augment_pipe": None}, file)
told = export("--family", "stylegan2-ada", "--repo", "style", "style0.pkl", "style0.pt2")
for sentence in ("noise inputs are fixed", "blocks that compute in float16", "minibatch standard deviation neutralised", "z / |z| alone", "clamped"):
    assert sentence in told, (sentence, told)
z, y = torch.randn(5, 4), torch.arange(5) % 3
G = pickle.load(open("style0.pkl", "rb"))["G_ema"]
with torch.no_grad():
    close(decoded("style0.pt2", z), G(z, z[:, :0], noise_mode="const", force_fp32=True).clamp(-1, 1), "stylegan2-ada")
told = export("--family", "stylegan2-ada", "--repo", "style", "--truncation", "0.5", "--no-discriminator", "style3.pkl", "style3.pt2")
assert "truncated with psi 0.5" in told, told
G = pickle.load(open("style3.pkl", "rb"))["G_ema"]
with torch.no_grad():
    close(decoded("style3.pt2", z, y), G(z, nn.functional.one_hot(y, 3).float(), 0.5, noise_mode="const", force_fp32=True).clamp(-1, 1), "classes")

# ---- R3GAN: stages in bfloat16.
G = style.R3Generator().eval()
with open("r3.pkl", "wb") as file:
    pickle.dump({"G": G, "D": None, "G_ema": G}, file)
export("--family", "r3gan", "--repo", "style", "r3.pkl", "r3.pt2")
G.stage.DataType = torch.float32
with torch.no_grad():
    close(decoded("r3.pt2", z, y % 2), G(z, nn.functional.one_hot(y % 2, 2).float()).clamp(-1, 1), "r3gan")

# ---- mimicry: spectral norms computed in each forward; a package whose __init__ needs what is not there.
write("mimicry/torch_mimicry/__init__.py", "import a_module_that_is_not_there")
write("mimicry/torch_mimicry/nets/tiny/__init__.py", "")
write("mimicry/torch_mimicry/nets/tiny/tiny_8.py", """
    import torch
    from torch import nn

    class SNLinear(nn.Linear):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            self.register_buffer("sn_u", torch.randn(1, self.out_features))

        def sn_weights(self):
            with torch.no_grad():
                v = nn.functional.normalize(self.sn_u @ self.weight)
                u = nn.functional.normalize(v @ self.weight.t())
            return self.weight / (u @ (self.weight @ v.t()))

        def forward(self, x):
            return nn.functional.linear(x, self.sn_weights(), self.bias)

    class TinyGenerator8(nn.Module):
        def __init__(self, nz=5):
            super().__init__()
            self.nz, self.l1 = nz, nn.Linear(nz, 3 * 64)

        def forward(self, x):
            return torch.tanh(self.l1(x)).view(-1, 3, 8, 8)

    class TinyDiscriminator8(nn.Module):
        def __init__(self):
            super().__init__()
            self.l5 = SNLinear(3 * 64, 1)

        def forward(self, x):
            return self.l5(x.flatten(1))
    """)
sys.path.insert(0, "mimicry/torch_mimicry/nets/tiny")
tiny = importlib.import_module("tiny_8")
G, D = tiny.TinyGenerator8(), tiny.TinyDiscriminator8()
for name, network in (("G", G), ("D", D)):
    torch.save({"model_state_dict": network.state_dict(), "optimizer_state_dict": None, "global_step": 7}, f"mimicry_{name}.pth")
export("--family", "mimicry", "--repo", "mimicry", "--model", "tiny_8", "--discriminator", "mimicry_D.pth", "mimicry_G.pth", "mimicry.pt2")
z = torch.randn(5, 5)
with torch.no_grad():
    close(decoded("mimicry.pt2", z), G(z), "mimicry")
    from torch._C._nativert import PyModelRunner
    outputs = PyModelRunner("mimicry.pt2", "ratio").run(z)
    close(outputs[0] if isinstance(outputs, (tuple, list)) else outputs, D(G(z)).flatten(), "mimicry's D")

# ---- BigGAN-PyTorch: shared vectors of classes, statistics under its own names, the configuration in state_dict.pth.
write("biggan/BigGAN.py", """
    import torch
    from torch import nn

    class Norm(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("stored_mean", torch.zeros(192))
            self.register_buffer("stored_var", torch.ones(192))

        def forward(self, x):
            return nn.functional.batch_norm(x, self.stored_mean, self.stored_var, None, None, self.training)

    class Generator(nn.Module):
        def __init__(self, dim_z=4, n_classes=3, shared_dim=2, **kwargs):
            super().__init__()
            self.dim_z, self.n_classes = dim_z, n_classes
            self.shared, self.linear, self.norm = nn.Embedding(n_classes, shared_dim), nn.Linear(dim_z + shared_dim, 192), Norm()

        def forward(self, z, y):
            return torch.tanh(self.norm(self.linear(torch.cat([z, y], 1)))).view(-1, 3, 8, 8)
    """)
big = code_of("biggan", "BigGAN")
G = big.Generator()
torch.save({"itr": 3, "config": {"dim_z": 4, "n_classes": 3, "shared_dim": 2, "G_activation": nn.ReLU()}}, "state_dict.pth")
torch.save(G.state_dict(), "unmeasured.pth")
export("--family", "biggan", "--repo", "biggan", "--config", "state_dict.pth", "unmeasured.pth", "none.pt2", refuses="were never measured")
with torch.no_grad():
    G.norm.stored_mean.normal_()
    G.norm.stored_var.uniform_(0.5, 2)
torch.save(G.state_dict(), "G_ema.pth")
export("--family", "biggan", "--repo", "biggan", "--config", "state_dict.pth", "--prior", "truncated_normal", "G_ema.pth", "biggan.pt2")
z = torch.randn(5, 4)
with torch.no_grad():
    close(decoded("biggan.pt2", z, y), G.eval()(z, G.shared(y)), "biggan")

# ---- StudioGAN: a configuration, networks from it, a discriminator that gives a dictionary.
write("studio/src/models/__init__.py", "")
write("studio/src/config.py", """
    import types

    class Configurations:
        def __init__(self, file):
            assert open(file).read().startswith("MODEL")
            new = types.SimpleNamespace
            self.DATA, self.MODEL = new(num_classes=3), new(z_dim=4, g_cond_mtd="cBN", d_cond_mtd="PD")
            self.RUN, self.OPTIMIZATION, self.STYLEGAN, self.MODULES = new(), new(), new(), None

        def define_modules(self):
            self.MODULES = object()
    """)
write("studio/src/models/model.py", """
    import torch
    from torch import nn

    class Generator(nn.Module):
        def __init__(self, z_dim, classes):
            super().__init__()
            self.offset, self.linear = nn.Embedding(classes, z_dim), nn.Linear(z_dim, 192)

        def forward(self, z, label, shared_label=None, eval=False):
            assert eval
            return torch.tanh(self.linear(z + self.offset(label))).view(-1, 3, 8, 8)

    class Discriminator(nn.Module):
        def __init__(self, classes):
            super().__init__()
            self.linear = nn.Linear(192, classes)

        def forward(self, x, label, eval=False):
            return {"adv_output": self.linear(x.flatten(1)).gather(1, label[:, None]).squeeze(1), "label": label}

    def load_generator_discriminator(DATA, OPTIMIZATION, MODEL, STYLEGAN, MODULES, RUN, device, logger):
        assert MODULES is not None and not RUN.mixed_precision
        return Generator(MODEL.z_dim, DATA.num_classes), None, None, Discriminator(DATA.num_classes), None, None, None, None
    """)
open("studio.yaml", "w").write("MODEL: {}\n")
studio = code_of("studio/src/models", "model")
G, D = studio.Generator(4, 3), studio.Discriminator(3)
torch.save({"state_dict": G.state_dict(), "epoch": 1}, "studio_G.pth")
torch.save({"state_dict": D.state_dict(), "epoch": 1}, "studio_D.pth")
told = export("--family", "studiogan", "--repo", "studio", "--config", "studio.yaml", "--discriminator", "studio_D.pth", "studio_G.pth", "studio.pt2")
assert "not the moving average" in told, told
with torch.no_grad():
    close(decoded("studio.pt2", z, y), G(z, y, eval=True), "studiogan")

# ---- PyTorch's DCGAN tutorial: weights alone.
G = nn.Sequential(nn.ConvTranspose2d(4, 6, 4, 1, 0, bias=False), nn.BatchNorm2d(6), nn.ReLU(True), nn.ConvTranspose2d(6, 3, 4, 2, 1, bias=False), nn.Tanh())
D = nn.Sequential(nn.Conv2d(3, 5, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, True), nn.Conv2d(5, 1, 4, 1, 0, bias=False), nn.Sigmoid())
with torch.no_grad():
    for _ in range(8):
        G.train()(torch.randn(16, 4, 1, 1))
for name, network in (("G", G), ("D", D)):
    torch.save({"main." + key: value for key, value in network.state_dict().items()}, f"dcgan_{name}.pth")
told = export("--family", "dcgan", "--discriminator", "dcgan_D.pth", "dcgan_G.pth", "dcgan.pt2")
assert "[n, k, 1, 1]" in told and "sigmoid at its end is taken off" in told, told
with torch.no_grad():
    close(decoded("dcgan.pt2", z), G.eval()(z[:, :, None, None]), "dcgan")

# ---- One step in EDM's form.
write("edm/torch_utils/__init__.py", "")
write("edm/tiny_edm.py", """
    import torch
    from torch import nn

    class Precond(nn.Module):
        def __init__(self):
            super().__init__()
            self.img_resolution, self.img_channels, self.label_dim, self.use_fp16 = 8, 3, 2, True
            self.conv, self.label = nn.Conv2d(3, 3, 3, 1, 1), nn.Linear(2, 3)

        def forward(self, x, sigma, class_labels=None, force_fp32=False):
            sigma = sigma.to(torch.float32).reshape(-1, 1, 1, 1)
            return self.conv(x / (0.25 + sigma ** 2).sqrt()) + self.label(class_labels)[:, :, None, None] * sigma.log()
    """)
G = code_of("edm", "tiny_edm").Precond().eval()
with open("edm.pkl", "wb") as file:
    pickle.dump({"ema": G}, file)
told = export("--family", "edm", "--repo", "edm", "--sigma", "2.5", "edm.pkl", "edm.pt2")
assert "its 192 values are the latent" in told, told
z = torch.randn(5, 192)
with torch.no_grad():
    x = G(z.view(5, 3, 8, 8) * 2.5, torch.tensor([2.5]), nn.functional.one_hot(y % 2, 2).float())
    close(decoded("edm.pt2", z, y % 2), x.clamp(-1, 1), "edm")

# ---- What is refused.
export("--family", "edm", "--repo", "edm", "edm.pkl", "none.pt2", refuses="--sigma is missing")
export("--family", "stylegan3", "style0.pkl", "none.pt2", refuses="--repo is missing")
export("--family", "stylegan3", "--repo", "biggan", "style0.pkl", "none.pt2", refuses="it has no torch_utils")
export("--family", "stylegan3", "--repo", "style", "nowhere.pkl", "none.pt2", refuses="there is no such file")
export("--family", "stylegan3", "--repo", "style", "G_ema.pth", "none.pt2", refuses="cannot be unpickled")
export("--family", "mimicry", "--repo", "mimicry", "--model", "tiny_16", "mimicry_G.pth", "none.pt2", refuses="has no torch_mimicry/nets/tiny/tiny_16.py")
export("--family", "dcgan", "G_ema.pth", "none.pt2", refuses="no weights of the tutorial's DCGAN")
export("--family", "dcgan", "--latent-dim", "7", "dcgan_G.pth", "none.pt2", refuses="the generator takes 4")
