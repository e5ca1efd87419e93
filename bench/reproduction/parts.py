"""What launch/reproduce.sh runs: the one place where its parts are declared. A part is a configuration with settings, seeds and variants; every
(part, variant, seed) is a run folder of the program. Settings are those of `ddls_dist --set`; those of `quick` come on top with --quick."""
from dataclasses import dataclass, field

POINT_METHODS = ("generator ddls mala hmc underdamped ex2mcmc tempering pcn elliptical_slice smc flow isir sir rejection obrs drs mh_gan rep_gan dot dgflow "
                 "truncation pixel_langevin").split()
IMAGE_METHODS = POINT_METHODS


def methods(names):
    return {"sample.methods": "[" + ",".join(names.split() if isinstance(names, str) else names) + "]"}


@dataclass
class Variant:
    """`start`: (part, variant) whose trained networks this one begins at; of the phases in `keep`, the checkpoints named so."""
    settings: dict = field(default_factory=dict)
    title: str = ""
    start: tuple = None
    keep: tuple = ("step-", "ratio-", "refined-", "calibrated-", "classifier-", "features-")
    quick: bool = True   # part of --quick, too


@dataclass
class Part:
    """`uses`: no training here, but a finished run of that name (--use NAME=FOLDER), whose configuration is taken; {variant: name of the run}.
    `data`: the folder of data/ that it needs. `pictures`: (file of a run folder, caption, rows of pixels), `panels`: point
    sets drawn side by side; of the first seed that is done."""
    name: str
    title: str
    text: str
    config: str = ""
    seeds: tuple = (1, 2, 3)
    quick_seeds: tuple = (1,)
    settings: dict = field(default_factory=dict)
    quick: dict = field(default_factory=dict)
    variants: dict = field(default_factory=lambda: {"": Variant()})
    uses: dict = field(default_factory=dict)
    training: str = ""       # the command of a long training
    extractor: bool = False  # evaluated with --extractor, if one is given
    data: str = ""
    pictures: tuple = ()
    panels: str = ""
    caption: str = ""
    curve: str = ""          # a metric drawn against the steps, of stored sample sets
    chart: str = "frechet_distance"  # the metric drawn against the cost


POINT_STEPS = {  # comparable lengths: some hundred gradients or ratios per sample; published settings where a publication has them
    "sample.hmc.steps": 100, "sample.underdamped.steps": 600, "sample.underdamped.step_size": 0.004, "sample.underdamped.adjust": "true",
    "sample.ex2mcmc.steps": 60,
    "sample.tempering.steps": 60, "sample.dot.steps": 100, "sample.dgflow.steps": 100, "sample.dgflow.step_size": "1e-4",
    "sample.pixel_langevin.steps": 600, "sample.pixel_langevin.step_size": "2e-5", "sample.pixel_langevin.noise_std": 0.3, "sample.pcn.steps": 200, "sample.elliptical_slice.steps": 60,
    "sample.sweep": "[]", "evaluate.metrics": "[fid,prdc]"}
POINT_QUICK = {"train.steps": 1000, "train.ratio.steps": 500, "train.ratio.refine.steps": 40, "sample.count": 1000, "sample.ddls.steps": 200,
               "sample.mala.steps": 200, "sample.hmc.steps": 20, "sample.underdamped.steps": 100, "sample.ex2mcmc.steps": 15,
               "sample.tempering.steps": 10, "sample.tempering.warmup": 20, "sample.pixel_langevin.steps": 100, "sample.rep_gan.steps": 100,
               "sample.mh_gan.steps": 100, "sample.flow.warmup": 100, "sample.pcn.steps": 50, "sample.pcn.warmup": 50,
               "sample.hmc.warmup": 20, "sample.ex2mcmc.warmup": 20, "sample.elliptical_slice.steps": 20}

IMAGE_STEPS = {
    "sample.hmc.steps": 6, "sample.hmc.leapfrog_steps": 3, "sample.hmc.step_size": 0.15,
    "sample.underdamped.steps": 32, "sample.underdamped.step_size": 0.2, "sample.ex2mcmc.steps": 8, "sample.ex2mcmc.step_size": 0.1,
    "sample.ex2mcmc.adapt": "false", "sample.tempering.steps": 8, "sample.tempering.step_size": 0.1, "sample.tempering.adapt": "false",
    "sample.pcn.steps": 50, "sample.pcn.step_size": 0.2, "sample.pcn.adapt": "false", "sample.elliptical_slice.steps": 20,
    "sample.smc.steps": 20, "sample.obrs.proposals": 80, "sample.obrs.steps": 1000, "sample.flow.steps": 20, "sample.flow.proposals": 5, "sample.mh_gan.steps": 100, "sample.rep_gan.steps": 160,
    "sample.drs.steps": 100, "sample.rejection.budget": 1000, "sample.dot.steps": 20, "sample.pixel_langevin.steps": 24,
    "sample.pixel_langevin.step_size": 0.0003, "sample.pixel_langevin.noise_std": 0.03}
IMAGE_QUICK = {"train.steps": 300, "train.ratio.steps": 100, "train.classifier.steps": 200, "train.calibration.pool": 3000,
               "train.calibration.held_out": 2000, "sample.count": 500, "sample.start_pool": 2000, "sample.isir.pool": 4000, "sample.sir.pool": 4000, "sample.isir.steps": 16,
               "sample.ddls.steps": 8, "sample.mala.steps": 8, "sample.pcn.steps": 16, "sample.mh_gan.steps": 20, "sample.rep_gan.steps": 16,
               "sample.drs.steps": 20, "sample.drs.pilots": 1000, "sample.rejection.budget": 50, "sample.rejection.pilots": 1000,
               "sample.obrs.steps": 50, "sample.obrs.proposals": 10, "sample.obrs.pilots": 1000, "sample.flow.warmup": 20, "sample.flow.pilots": 1000,
               "sample.hmc.steps": 2, "sample.underdamped.steps": 8, "sample.ex2mcmc.steps": 2, "sample.tempering.steps": 2,
               "sample.elliptical_slice.steps": 4, "sample.smc.steps": 5, "sample.snapshot_every": 0, "train.grid_every": 0,
               "evaluate.energy_draws": 5000, "evaluate.reference_count": 2000, "sample.pixel_langevin.steps": 8}
RATIO_PHASES = ("step-",)   # what a variant with another ratio keeps: the GAN


def noise(s, base="", quick=True):
    """Corollary 2 on the generator of the variant `base`."""
    own = {"train.ratio.output_noise": s, "train.ratio.instance_noise": 0, "train.ratio.refine.steps": 0}
    where = {"": "plane", "line": "line"}[base]
    return Variant(own | (LINE if base else {}), f"{where}, noise {s} on the output (Corollary 2)", ("mode_dropping", base), RATIO_PHASES, quick)


LINE = {"model.latent_dim": 1, "model.generator_widths": "[8,8]"}


def score(loss, method, settings=None, quick=True):
    """The score of the GAN's own discriminator as the energy. Fitted calibrations share a GAN; `scale` holds nothing out and trains its own."""
    own = {"train.loss": loss, "train.ratio.steps": 0, "train.ratio.refine.steps": 0, "train.calibration.method": method}
    if loss == "wasserstein":
        own |= {"train.gp_weight": 0.1, "train.r1_weight": 0, "train.discriminator_steps": 5}
    start = ("scores", f"{loss}-platt") if method not in ("scale", "platt") else None
    title = {"scale": "the raw score", "platt": "Platt"}.get(method, method)
    return Variant(own | (settings or {}), f"{loss}: {title}", start, RATIO_PHASES, quick)


def training(mode, quick=True):
    return Variant({"train.ddls.mode": mode, "train.ddls.steps": 3, "train.ddls.step_size": "1e-3", "train.ddls.persistent": "true"}, f"mode: {mode}", quick=quick)


def pixels(step, noise_std, quick=True):
    return Variant({**methods("pixel_langevin"), "sample.pixel_langevin.step_size": step, "sample.pixel_langevin.noise_std": noise_std,
                    "sample.pixel_langevin.steps": 46}, f"pixels: step {step}, noise {noise_std}", ("fashion_mnist", ""), quick=quick)


def latents(step, quick=True):
    return Variant({**methods("generator ddls"), "sample.ddls.step_size": step, "sample.ddls.steps": 24}, f"latents: step {step}", ("fashion_mnist", ""), quick=quick)


def ula(step, quick=True):
    return Variant({"sample.ddls.step_size": step}, f"step {step}", ("gaussians25", ""), quick=quick)


PARTS = [
    Part("gaussians25", "25 Gaussians: every method", "Table 1 of the paper, with DRS, DOT and every other method of the program, on one generator, one energy "
         "and the same starts per seed. Published numbers stand beside ours where the protocol allows: modes with at least one sample of high quality (within "
         "4 standard deviations of a centre) and the share of those samples. The recipe was tuned on seeds 101 to 104; the steps of underdamped, dgflow and "
         "pixel_langevin were chosen among two or three on seed 1.",
         "configs/gaussians25.yaml", tuple(range(1, 11)), (1,), {**methods(POINT_METHODS), **POINT_STEPS}, POINT_QUICK, chart="mass_total_variation_all",
         panels="real data,generator,ddls,mala,isir,drs,dot,pixel_langevin", caption="The paper's first figure"),
    Part("swiss_roll", "Swiss roll: every method", "As above without modes to count.", "configs/swiss_roll.yaml", (1, 2, 3), (1,),
         {**methods(POINT_METHODS), **POINT_STEPS}, POINT_QUICK | methods("generator ddls mala isir rejection"), panels="real data,generator,ddls,mala,dot",
         caption="The paper's second figure"),
    Part("step_sizes", "25 Gaussians: the step size of DDLS", "Algorithm 1 with a constant step, 600 steps from the generator's samples. The chain is not corrected: "
         "its bias grows with the step, its speed too.", "configs/gaussians25.yaml", (1, 2, 3), (1,),
         {**methods("generator ddls"), "sample.ddls.step_size_end": 0, "sample.ddls.steps": 600, "sample.count": 5000, "sample.sweep": "[]",
          "sample.snapshot_every": 100, "evaluate.metrics": "[fid]"}, POINT_QUICK | {"sample.snapshot_every": 50}, curve="frechet_distance",
         chart="", variants={s: ula(s, quick=s in ("1e-5", "1e-3")) for s in ("1e-6", "1e-5", "1e-4", "1e-3", "1e-2", "1e-1")}),
    Part("mode_dropping", "Generators that miss modes", "25 Gaussians, the hinge loss, no penalty, no average of weights; the ratio is the recipe's, on the frozen generator. *Plane*: two latents, two "
         "layers of 32; modes are missing among the samples, but the generator reaches their places now and then. *Line*: one latent, two layers of 8: its samples are a "
         "broken line of few pieces, which passes by some modes. Variants with noise have the generator of the variant without.", "configs/gaussians25.yaml", (1, 2, 3), (1,),
         {"train.r1_weight": 0, "train.ema_decay": 0, "train.loss": "hinge", "model.generator_widths": "[32,32]", "train.calibration.method": "none", "sample.allow_bad_energy": "true",
          "sample.sweep": "[]", "evaluate.metrics": "[fid,prdc]", **methods("generator ddls mala isir rejection smc")}, POINT_QUICK,
         {"": Variant(title="plane"), "noise-0.03": noise(0.03, quick=False), "noise-0.3": noise(0.3, quick=False), "line": Variant(dict(LINE), title="line"),
          "line-noise-0.03": noise(0.03, "line", quick=False), "line-noise-0.1": noise(0.1, "line"), "line-noise-0.3": noise(0.3, "line", quick=False)},
         chart="", panels="real data,generator,ddls,mala,isir", caption="Generators that miss modes"),
    Part("scores", "Scores of other losses as energies", "The discriminator of the GAN itself is the energy: raw, and calibrated on held-out points. Fitted "
         "calibrations of a loss share one GAN; the raw score holds nothing out and has a GAN of the same recipe and seed.", "configs/gaussians25.yaml", (1, 2, 3), (1,),
         {"sample.allow_bad_energy": "true", "sample.sweep": "[]", "evaluate.metrics": "[fid,prdc]", **methods("generator ddls mala isir")}, POINT_QUICK,
         {f"{loss}-{method}": score(loss, method, quick=method in ("scale", "platt", "tilt"))
          for loss in ("non_saturating", "hinge", "wasserstein") for method in ("scale", "platt", "isotonic", "head", "temperature", "tilt")}, chart=""),
    Part("refined_training", "DDLS in training", "25 Gaussians, the ratio of the recipe fitted to each generator: what refined latents in training change, before and "
         "after DDLS at evaluation.", "configs/gaussians25.yaml", (1, 2, 3), (1,),
         {"sample.sweep": "[]", "evaluate.metrics": "[fid,prdc]", **methods("generator ddls isir"), "sample.allow_bad_energy": "true"}, POINT_QUICK,
         {m: training(m, quick=m in ("off", "generator")) for m in ("off", "generator", "negatives", "both", "port")}, chart=""),
    Part("fashion_mnist", "Fashion-MNIST: every method on one energy", "The recipe of configs/fashion_mnist.yaml: a tilt as the energy, exact kernels start at weighted draws "
         "of a pool, evaluated with another classifier than the one that the energy saw.", "configs/fashion_mnist.yaml", (1, 2, 3), (1,),
         {**methods(IMAGE_METHODS), **IMAGE_STEPS, "sample.snapshot_every": 0, "sample.trajectories": 0}, IMAGE_QUICK, data="fashion-mnist",
         pictures=(("samples/pairs.png", "Pairs of rows: the generator's picture of a latent, and what a method made of it", 120),)),
    Part("fashion_mnist_prior", "Fashion-MNIST: kernels from the prior, quality against steps", "The same energy without the pool: chains start at prior draws, so what a "
         "kernel needs to reach the energy's law is seen.", "configs/fashion_mnist.yaml", (1, 2, 3), (1,),
         {**methods("generator ddls mala hmc underdamped ex2mcmc pcn elliptical_slice isir mh_gan"), **IMAGE_STEPS, "sample.start_pool": 0, "sample.isir.pool": 0,
          "sample.count": 2000, "sample.mala.steps": 96, "sample.ddls.steps": 96, "sample.hmc.steps": 24, "sample.underdamped.steps": 96, "sample.ex2mcmc.steps": 16,
          "sample.isir.steps": 24, "sample.snapshot_every": 8, "sample.trajectories": 0, "evaluate.metrics": "[fid,prdc]"},
         IMAGE_QUICK | methods("generator ddls mala") | {"sample.snapshot_every": 4, "sample.start_pool": 0, "sample.isir.pool": 0}, data="fashion-mnist",
         variants={"": Variant(start=("fashion_mnist", ""))}, curve="frechet_distance"),
    Part("pixel_latent", "Fashion-MNIST: pixels against latents", "The same energy and the same starts, 46 steps on pixels and 24 on latents: the seconds are in the table.",
         "configs/fashion_mnist.yaml", (1, 2, 3), (1,), {"sample.count": 2000, "sample.snapshot_every": 0, "sample.trajectories": 0, "evaluate.metrics": "[fid,is,prdc]"},
         IMAGE_QUICK | {"sample.start_pool": 0}, data="fashion-mnist", chart="",
         variants={"latents": latents(0.02), "pixels-1e-2": pixels("0.01", 0.1), "pixels-1e-3": pixels("0.001", 0.1, False), "pixels-3e-4": pixels("0.0003", 0.03, False),
                   "pixels-1e-4": pixels("0.0001", 0.01)}),
    Part("mnist_cgan", "MNIST, conditional perceptrons, with and without DDLS in training", "The discriminator is the energy, as the public reproduction has it.",
         "configs/mnist-cgan.yaml", (1,), (1,),
         {**methods("generator ddls mala isir rejection"), "sample.mala.steps": 100, "sample.isir.steps": 30, "evaluate.metrics": "[fid,intra_fid,is,kid,prdc]",
          "sample.snapshot_every": 0}, {"sample.count": 1000, "sample.mala.steps": 20, "sample.ddls.steps": 20, "sample.mala.warmup": 20},
         uses={"off": "mnist-off", "generator": "mnist-ddls"}, variants={"off": Variant(title="without DDLS in training"),
                                                                        "generator": Variant(title="with DDLS in training (train.ddls.mode: generator)")},
         training="ddls_dist train --config configs/mnist-cgan.yaml --out mnist-off   # and, as mnist-ddls: --set train.ddls.mode=generator "
                  "--set train.ddls.steps=3 --set train.ddls.persistent=true --set train.ddls.chains=4096"),
    Part("cifar10", "CIFAR-10, SN-DCGAN", "A tilt fitted to the frozen generator, exact kernels start at weighted draws of a pool; evaluated by the network of `--extractor`, which the energy "
         "did not see.", "configs/cifar10-tilt.yaml", (1,), (1,),
         {**methods("generator ddls mala isir sir"), "sample.count": 10000, "sample.snapshot_every": 0, "evaluate.metrics": "[fid,is,kid,prdc]"},
         {"sample.count": 200}, uses={"": "cifar10"}, variants={"": Variant(title="SN-DCGAN")}, extractor=True,
         training="ddls_dist train --config configs/cifar10-tilt.yaml --set train.calibration.features=[layers.pt2] --out cifar10   # then also --extractor FILE",
         pictures=(("samples/pairs.png", "Before and after DDLS", 140),)),
]
BY_NAME = {part.name: part for part in PARTS}
