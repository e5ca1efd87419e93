// Every key of the configuration: name, field, meaning, allowed values. A new option is one line here and one in
// config.hpp; a sampler's stand with the sampler.
#include "config/load.hpp"

namespace ddls::config {
namespace {

void bind_data(Section& s, DataConfig& c) {
  s.value("kind", &c.kind, "what the data are",
          one_of({"gaussians25", "swiss_roll", "idx", "cifar10", "images", "npz", "npy", "tar"}));
  s.value("train", &c.train,
          "training set: an idx image file, the folder of CIFAR-10's .bin files, a folder of images, an .npz or .npy, "
          "a tar archive (also ARCHIVE.tar/folder/inside) or a folder of them",
          a_path());
  s.value("test", &c.test, "test set, of the same kind", a_path());
  s.value("train_labels", &c.train_labels, "idx and npy: labels of the training set", a_path());
  s.value("test_labels", &c.test_labels, "idx and npy: labels of the test set", a_path());
  s.value("first_label", &c.first_label, "where labels that are numbers begin: at 0, or at 1", between(0, 1)).later =
      true;
  s.value("points", &c.points, "toy data: size of the training set", at_least(1));
  s.value("image_size", &c.image_size, "images are cropped and scaled to this; 0: as stored", at_least(0));
  s.value("channels", &c.channels, "1: grey, 3: colour; 0: as stored", between(0, 3));
  s.value("damaged", &c.damaged, "what a damaged image file does", one_of({"fatal", "skip"}));
  s.value("alpha", &c.alpha, "transparent pixels: drop: as they are stored, or laid over black or white",
          one_of({"drop", "black", "white"}))
      .later = true;
  s.value("exif", &c.exif, "orientation that EXIF gives", one_of({"ignore", "apply"})).later = true;
  s.value("on_demand", &c.on_demand, "images: decode them when they are needed, not all at opening (tar always does)");
  s.value("crop", &c.crop, "square that is cut out in training, of images decoded on demand",
          one_of({"center", "random"}));
  s.value("flip", &c.flip, "mirror half of the training images, chosen anew each time");
  s.value("dequantise", &c.dequantise, "training images as u/128 - 1 + U(0, 1/128), not u/127.5 - 1");
  s.value("loader_threads", &c.loader_threads,
          "threads per rank that decode on-demand images ahead; 0: none, the training thread decodes", at_least(0));
  s.value("lookahead", &c.lookahead, "batches that they decode ahead", at_least(1));
}

void bind_model(Section& s, ModelConfig& c) {
  s.value("architecture", &c.architecture, "family of the networks",
          one_of({"mlp", "dcgan", "sn_dcgan", "sn_resnet", "wgangp_resnet", "biggan", "mlp_cgan", "pretrained"}));
  s.value("generator", &c.generator, "pretrained: a .pt2 archive or TorchScript file (docs/pretrained.md)", a_path())
      .later = true;
  s.value("compiled", &c.compiled,
          "of a .pt2 archive: auto runs the compiled programs in it where they fit this machine. They are native code: "
          "for files whose origin you trust",
          one_of({"off", "auto"}))
      .later = true;
  s.value("ratio_architecture", &c.ratio_architecture,
          "family of the density-ratio discriminator; auto: as architecture; pretrained: mlp for points, sn_resnet for "
          "images; features: a perceptron on those of ratio_extractor",
          one_of({"auto", "mlp", "dcgan", "sn_dcgan", "sn_resnet", "wgangp_resnet", "biggan", "mlp_cgan", "features"}))
      .later = true;
  s.value("ratio_extractor", &c.ratio_extractor,
          "features: frozen feature network, .pt2 or TorchScript, through which a gradient passes", a_path())
      .later = true;
  s.value("latent_dim", &c.latent_dim, "dimension of z", at_least(1));
  s.value("prior", &c.prior, "law of z: N(0, 1), U(-1, 1), or N(0, 1) within 2",
          one_of({"normal", "uniform", "truncated_normal"}));
  s.value("generator_widths", &c.generator_widths,
          "hidden widths (mlp) or channels; residual networks: bottom, then blocks", at_least(1));
  s.value("discriminator_widths", &c.discriminator_widths, "the same for the training discriminator", at_least(1));
  s.value("ratio_widths", &c.ratio_widths, "the same for the density-ratio discriminator", at_least(1));
  s.value("ratio_hidden", &c.ratio_hidden, "dcgan: width of a linear layer before the ratio's logit; 0: none",
          at_least(0));
  s.value("ratio_frequencies", &c.ratio_frequencies,
          "mlp: sin(f x), cos(f x) of each coordinate as further inputs of the ratio", above(0));
  s.value("classifier_widths", &c.classifier_widths, "the same for the feature classifier", at_least(1));
  s.value("discriminator_downsamplings", &c.discriminator_downsamplings,
          "residual networks: how many of the first discriminator blocks halve the side", at_least(1));
  s.value("upsampling", &c.upsampling, "sn_resnet: how the generator's blocks double the side",
          one_of({"nearest", "bilinear"}));
  s.value("logit_bias", &c.logit_bias,
          "sn_resnet: published: no bias in the last layer of an unconditional 32-pixel discriminator",
          one_of({"published", "always"}));
  s.value("classes", &c.classes, "classes of a conditional GAN; 0: unconditional", at_least(0));
  s.value("leaky_slope", &c.leaky_slope, "sn_dcgan, mlp_cgan: slope of leaky ReLU below 0", at_least_below(0, 1));
  s.value("embedding_dim", &c.embedding_dim, "mlp_cgan, biggan: length of a class's vector", at_least(1));
  s.value("dropout", &c.dropout, "mlp_cgan: share of hidden units the discriminator drops in training",
          at_least_below(0, 1));
  s.value("attention_side", &c.attention_side,
          "biggan: self-attention after the first block whose maps have this side; 0: none", at_least(0));
  s.value("weight_map", &c.weight_map,
          "sample --generator FILE.safetensors: how its tensors are named (docs/export.md); none: as ours", a_path());
}

void bind_adam(Section& s, AdamConfig& c) {
  s.value("lr", &c.lr, "learning rate", above(0));
  s.value("beta1", &c.beta1, "decay of the mean of gradients", at_least_below(0, 1));
  s.value("beta2", &c.beta2, "decay of the mean of their squares", at_least_below(0, 1));
  s.value("schedule", &c.schedule, "learning rate over the steps", one_of({"constant", "linear", "cosine"}));
  s.value("constant_until", &c.constant_until, "share of the steps before linear or cosine begins to fall",
          at_least_below(0, 1));
  s.value("final_share", &c.final_share, "share of lr at which linear or cosine ends", between(0, 1));
  s.value("warmup", &c.warmup, "first steps, over which the learning rate rises from 0", at_least(0));
}

void bind_refine(Section& s, RefineConfig& c) {
  s.value("steps", &c.steps, "updates; 0: no refinement", at_least(0));
  s.value("batch", &c.batch, "reals, and chains moved, per update", at_least(1));
  s.value("chains", &c.chains, "persistent chains, moved in turn", at_least(1));
  s.value("chain_steps", &c.chain_steps, "Langevin steps of a chain per update; 0: prior draws weighted by e^r",
          at_least(0));
  s.value("step_size", &c.step_size, "epsilon of those steps", above(0));
  s.value("refresh", &c.refresh, "share of chains that start anew when their turn comes", between(0, 1));
  s.value("penalty", &c.penalty, "weight of the mean square of the ratio over reals and chains", at_least(0));
  s.value("ema_decay", &c.ema_decay, "moving average of the weights; 0: none", at_least_below(0, 1));
  bind_adam(s.section("adam", "its optimiser"), c.adam);
}

void bind_ratio(Section& s, RatioConfig& c) {
  s.value("steps", &c.steps, "updates; 0: the training discriminator is used as it is", at_least(0));
  s.value("batch", &c.batch, "reals and as many fakes per update", at_least(1));
  s.value("instance_noise", &c.instance_noise, "standard deviation of noise on reals and fakes", at_least(0));
  s.value("output_noise", &c.output_noise,
          "s: samples are G(z) + s z', and samplers move the latent (z, z') (Corollary 2); 0: G(z) and z", at_least(0));
  s.value("noise_reals", &c.noise_reals,
          "output_noise: reals get it too, and the samplers' law is that of noised data");
  s.value("ema_decay", &c.ema_decay, "moving average of the weights; 0: none", at_least_below(0, 1));
  bind_adam(s.section("adam", "its optimiser"), c.adam);
  bind_refine(s.section("refine",
                        "by likelihood on chains: a short-run energy, good for as many steps as its chains are old, "
                        "not p0 e^r; on weighted prior draws: p0 e^r"),
              c.refine);
}

void bind_calibration(Section& s, CalibrationConfig& c) {
  s.value("method", &c.method,
          "how the score of the last phase becomes a log-ratio: docs/training.md; none: it is taken for one",
          one_of({"none", "platt", "isotonic", "head", "scale", "temperature", "tilt"}));
  s.value("held_out", &c.held_out, "fitted methods: so many of the training set are kept from all training",
          at_least(10));
  s.value("scale", &c.scale, "scale: what the score is multiplied with", above(0));
  s.value("pool", &c.pool, "temperature, tilt: prior draws that they are fitted to", at_least(100)).later = true;
  s.value("ess_floor", &c.ess_floor,
          "temperature, tilt: least effective sample size of the pool's weights, a share of it", inside(0, 1))
      .later = true;
  s.value("features", &c.features,
          "tilt: whose means are matched; classes: the score's slope depends on the class; files as "
          "evaluate.extractor; none: what suits the data",
          one_of_or_path({"pixels", "convolutions", "classifier", "waves", "clusters", "classes"}))
      .later = true;
  s.value("components", &c.components, "tilt: principal components of each kind of features", at_least(1)).later = true;
  s.value("products", &c.products,
          "tilt: pairs of so many first components are multiplied, of features of networks; 0: none", at_least(0))
      .later = true;
  s.value("ridge", &c.ridge, "tilt: weight of |w|^2; 0: chosen on held-out reals", at_least(0)).later = true;
  s.value(
       "score_ridge", &c.score_ridge,
       "tilt: how many times more the ridge weighs on the score than on features; more of it: lower nats, closer means",
       above(0))
      .later = true;
}

void bind_classifier(Section& s, ClassifierConfig& c) {
  s.value("steps", &c.steps, "updates", at_least(0));
  s.value("batch", &c.batch, "images per update", at_least(1));
  bind_adam(s.section("adam", "its optimiser"), c.adam);
}

void bind_train_ddls(Section& s, TrainDdlsConfig& c) {
  s.value("mode", &c.mode, "which updates see refined latents; docs/training.md says what each optimises",
          one_of({"off", "generator", "negatives", "both", "port"}));
  s.value("from_step", &c.from_step, "generator updates before refinement begins", at_least(0));
  s.value("steps", &c.steps, "Langevin steps per refinement", at_least(1));
  s.value("step_size", &c.step_size, "epsilon of those steps", above(0));
  s.value("noise_std", &c.noise_std, "multiple of sqrt(epsilon)", at_least(0));
  s.value("persistent", &c.persistent, "chains go on from where they were; else from a prior draw each time");
  s.value("chains", &c.chains, "persistent: how many chains", at_least(1));
  s.value("refresh", &c.refresh, "persistent: share that starts anew when their turn comes", between(0, 1));
  s.value("penalty", &c.penalty, "negatives, both: weight of the mean square of the score", at_least(0));
}

void bind_train(Section& s, TrainConfig& c) {
  s.value("steps", &c.steps, "generator updates", at_least(0));
  s.value("batch", &c.batch, "samples per update, over all ranks", at_least(1));
  s.value("generator_batch", &c.generator_batch, "samples per generator update; 0: as batch", at_least(0));
  s.value("shards", &c.shards,
          "parts of a batch, dealt to ranks: bits do not depend on the rank count; auto: 4 up to four ranks, enough "
          "for all of more ranks; 0: one per rank, overlapped",
          at_least_or_auto(0, automatic_shards));
  s.value("loss", &c.loss, "loss of the GAN",
          one_of({"non_saturating", "minimax", "hinge", "wasserstein", "least_squares", "relativistic"}));
  s.value("discriminator_steps", &c.discriminator_steps, "discriminator updates per generator update", at_least(1));
  s.value("r1_weight", &c.r1_weight, "weight of the gradient penalty on reals (R1)", at_least(0));
  s.value("r1_every", &c.r1_every, "discriminator updates between two penalties", at_least(1));
  s.value("r2_weight", &c.r2_weight, "weight of the same penalty on fakes (R2), with every R1", at_least(0)).later =
      true;
  s.value("gp_weight", &c.gp_weight, "weight of the gradient penalty between reals and fakes (WGAN-GP)", at_least(0));
  s.value("orthogonal_weight", &c.orthogonal_weight, "weight of BigGAN's orthogonal regularisation of both networks",
          at_least(0));
  s.value("ema_decay", &c.ema_decay, "moving average of the generator's weights; 0: none", at_least_below(0, 1));
  s.value("ema_start", &c.ema_start, "updates before the average begins; till then it is the weights", at_least(0));
  s.value("precision", &c.precision,
          "tf32: products of a GPU in TensorFloat-32; bfloat16: autocast. Weights stay float32",
          one_of({"float32", "tf32", "bfloat16"}));
  s.value("batch_norm", &c.batch_norm, "statistics of a training batch: of its shard, or of all ranks together",
          one_of({"shard", "global"}));
  s.value("log_every", &c.log_every, "steps between two records", at_least(1));
  s.value("checkpoint_every", &c.checkpoint_every, "steps between two checkpoints", at_least(1));
  s.value("keep_checkpoints", &c.keep_checkpoints, "how many of the newest are kept", at_least(1));
  s.value("keep_every", &c.keep_every, "besides, those of every so many steps stay for good; 0: none", at_least(0));
  s.value("grid_every", &c.grid_every, "steps between two grids of samples; 0: none", at_least(0));
  s.value("evaluate_every", &c.evaluate_every, "steps between two evaluations by FD and IS; 0: none", at_least(0));
  s.value("evaluate_count", &c.evaluate_count, "samples of such an evaluation", at_least(2));
  bind_adam(s.section("generator", "optimiser of the generator"), c.generator);
  bind_adam(s.section("discriminator", "optimiser of the discriminator"), c.discriminator);
  bind_train_ddls(s.section("ddls", "training with refined latents"), c.ddls);
  bind_ratio(s.section("ratio", "the density-ratio discriminator, fitted when the generator is done"), c.ratio);
  bind_calibration(s.section("calibration", "the score made a log-ratio, when all training is done"), c.calibration);
  bind_classifier(s.section("classifier", "the classifier whose features and classes the metrics use"), c.classifier);
}

void bind_sample(Section& s, SampleConfig& c) {
  std::vector<std::string> names;
  for (const SamplerConfig& sampler : c.samplers) names.push_back(sampler.name);
  s.value("methods", &c.methods, "samplers to run, on the same latents", one_of(names));
  s.value("count", &c.count, "samples (chains) per method", at_least(1));
  s.value("block_size", &c.block_size, "chains computed as one batch", at_least(1));
  s.value("start_pool", &c.start_pool,
          "exact samplers start their chains at so many prior draws, evaluated once, by weight: little is left of a "
          "burn-in; 0: at prior draws",
          at_least(0))
      .later = true;
  s.value("record_every", &c.record_every, "steps between two records of the curves", at_least(1));
  s.value("snapshot_every", &c.snapshot_every, "steps between two stored sample sets; 0: none", at_least(0));
  s.value("trajectories", &c.trajectories, "chains whose every record is kept for the figures", at_least(0));
  s.value("diagnosed_chains", &c.diagnosed_chains, "chains from whose records R-hat and ESS are computed; 0: none",
          at_least(0));
  s.value("checkpoint_every", &c.checkpoint_every,
          "steps between two saves of an unfinished block: what a kill can lose; 0: the block", at_least(0));
  s.value("precision", &c.precision,
          "of the ratio and its gradient (tf32: products of a GPU alone); chains and noise stay float32, accepting "
          "kernels exact",
          one_of({"float32", "tf32", "bfloat16"}));
  s.value("cuda_graph", &c.cuda_graph,
          "on a GPU: record the kernels of ratio and gradient once and replay them; nothing changes on a CPU");
  s.value("labels", &c.labels,
          "classes of conditional chains: cycle (chain id modulo classes), uniform, or one number");
  s.value("allow_bad_energy", &c.allow_bad_energy,
          "let exact kernels sample an energy that held-out reals show to be worse than the generator alone")
      .later = true;
  s.value("sweep", &c.sweep, "step sizes of the trajectory figure", above(0));
  for (SamplerConfig& sampler : c.samplers)
    if (!sampler.options.none()) sampler.options.bind(s.section(sampler.name, sampler.doc));
}

void bind_evaluate(Section& s, EvaluateConfig& c) {
  s.value("extractor", &c.extractor,
          "feature networks, .pt2 or TorchScript, one or several; none: points as they are, or a classifier trained in "
          "the run",
          a_path_or_several());
  s.value("reference", &c.reference, "the real set that samples are compared with", one_of({"train", "test"}));
  s.value("reference_count", &c.reference_count, "how many of them; 0: all", at_least(0));
  s.value("batch", &c.batch, "samples per pass through the feature network", at_least(1));
  s.value("resize", &c.resize, "filter that images are resized by before the feature network; none: it resizes itself",
          one_of({"none", "area", "box", "bilinear", "bicubic", "lanczos"}))
      .later = true;
  s.value("resize_to", &c.resize_to, "with resize: pixels a side; 0: what the network's file says", at_least(0)).later =
      true;
  s.value("resize_rounded", &c.resize_rounded,
          "with resize: whole grey levels, as PIL; false: floats without rounding, as clean-fid")
      .later = true;
  std::vector<std::string> names;
  for (const MetricConfig& metric : c.known) names.push_back(metric.name);
  s.value("metrics", &c.metrics, "what is computed; `evaluate --help` says what each is", one_of(names));
  s.value("energy_draws", &c.energy_draws,
          "prior draws that say what the energy is worth, at most 20 per sample; 0: nothing does", at_least(0))
      .later = true;
  s.value("cache", &c.cache, "folder that keeps reference statistics between runs; none: they are computed anew",
          a_path());
  s.value("keep_statistics", &c.keep_statistics, "with cache: those of the evaluated sets, too, for `explain`").later =
      true;
  for (MetricConfig& metric : c.known)
    if (!metric.options.none()) metric.options.bind(s.section(metric.name, metric.doc));
  Section& neighbours =
      s.section("neighbours", "figure of the training images nearest to samples: one pass over them all");
  neighbours.value("samples", &c.neighbours.samples, "the first so many samples of each method; 0: no figure",
                   at_least(0));
  neighbours.value("count", &c.neighbours.count, "neighbours by pixels, and as many by features", at_least(1));
}

void bind_output(Section& s, OutputConfig& c) {
  s.value("directory", &c.directory, "run directory, from the working directory; none: runs/NAME");
  s.value("tensorboard", &c.tensorboard, "write TensorBoard event files");
}

}  // namespace

void bind(Section& root, Config& c) {
  root.value("name", &c.name, "name of the run, and of its folder");
  root.value("seed", &c.seed, "seed of everything random");
  bind_data(root.section("data", "what is learnt"), c.data);
  bind_model(root.section("model", "the networks"), c.model);
  bind_train(root.section("train", "training of the GAN"), c.train);
  bind_sample(root.section("sample", "samplers"), c.sample);
  bind_evaluate(root.section("evaluate", "metrics"), c.evaluate);
  bind_output(root.section("output", "where results go"), c.output);
}

}  // namespace ddls::config
