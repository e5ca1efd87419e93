#pragma once
// Every option of a run as plain data. Names, meaning, defaults, ranges and documentation of the YAML keys stand in
// bind.cpp, one line each; the sections here are the sections there. Samplers bring their own (options.hpp). Nothing in
// this folder knows Torch, MPI or a sampler.
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "config/options.hpp"

namespace ddls::config {

struct DataConfig {
  std::string kind = "gaussians25";
  std::string train, test;                // files or folders; made absolute when the configuration is read
  std::string train_labels, test_labels;  // idx and npy
  int64_t first_label = 0;                // labels that are numbers count from 0 or from 1
  int64_t points = 100'000;               // 2-D toy data: size of the training set
  int64_t image_size = 0;                 // 0: as stored, all alike
  int64_t channels = 0;                   // 0: as stored
  std::string damaged = "fatal";
  std::string alpha = "drop";   // transparent pixels: drop | black | white
  std::string exif = "ignore";  // orientation: ignore | apply
  bool on_demand = false;       // images: decode when needed, not all at opening; tar always does
  std::string crop = "center";  // center | random, of images decoded on demand
  bool flip = false;            // mirror half of the training images, chosen anew each time
  bool dequantise = false;      // training images as u/128 - 1 + U(0, 1/128), not u/127.5 - 1
  int64_t loader_threads = 2;   // per rank, for images decoded on demand; 0: the training thread decodes
  int64_t lookahead = 4;        // batches decoded ahead
};

struct ModelConfig {
  std::string architecture = "mlp";
  std::string generator;                    // pretrained: its file
  std::string compiled = "off";             // native code in a .pt2 archive: off | auto, where it fits this machine
  std::string ratio_architecture = "auto";  // of the density-ratio discriminator; auto: as the GAN's, or by the data
  int64_t latent_dim = 2;
  std::string prior = "normal";  // of z: normal | uniform | truncated_normal
  std::vector<int64_t> generator_widths{128, 128, 128};
  std::vector<int64_t> discriminator_widths{128, 128, 128};
  std::string ratio_extractor;  // features: the frozen network before the ratio
  std::vector<int64_t> ratio_widths{256, 256, 256};
  int64_t ratio_hidden = 0;               // dcgan: a linear layer before the logit; 0: none
  std::vector<double> ratio_frequencies;  // mlp: sin(f x) and cos(f x) of every coordinate join the inputs
  std::vector<int64_t> classifier_widths{32, 64, 128};
  int64_t discriminator_downsamplings = 2;  // residual networks: the first so many blocks halve the side
  std::string upsampling = "nearest";       // sn_resnet: nearest | bilinear
  std::string logit_bias = "published";     // sn_resnet: published | always
  int64_t classes = 0;                      // of a conditional GAN; 0: unconditional
  double leaky_slope = 0.2;                 // sn_dcgan, mlp_cgan
  int64_t embedding_dim = 128;              // of a class: mlp_cgan, biggan
  double dropout = 0;                       // mlp_cgan: share of hidden units dropped in training
  int64_t attention_side = 0;               // biggan: self-attention where the maps have this side; 0: none
  std::string weight_map;                   // of weights from elsewhere; empty: they have our names

  bool pretrained() const { return architecture == "pretrained"; }
};

struct AdamConfig {
  double lr = 1e-4, beta1 = 0.5, beta2 = 0.999;
  std::string schedule = "constant";  // constant | linear | cosine
  double constant_until = 0;          // share of the steps before the schedule begins to fall
  double final_share = 0;             // of lr, where the schedule ends
  int64_t warmup = 0;                 // first steps, over which lr rises from 0
};

// Maximum-likelihood refinement of the fitted ratio, generator frozen: r ascends mean r(x) - mean r(G(z)) over
// persistent Langevin chains of its own energy (docs/algorithm.md, equation 9).
struct RefineConfig {
  int64_t steps = 0;        // 0: none
  int64_t batch = 64;       // reals, and chains moved, per step
  int64_t chains = 512;     // persistent chains, moved in turn
  int64_t chain_steps = 4;  // 0: no chains, prior draws weighted by e^r
  double step_size = 0.05;  // epsilon of the chains
  double refresh = 0.1;     // share of chains that start anew from the prior when their turn comes
  double penalty = 0;       // weight of the mean square of r over reals and chains
  double ema_decay = 0;
  AdamConfig adam{2e-4, 0.5, 0.99, "linear"};
};

// The density-ratio discriminator: fitted by the logistic loss with the generator frozen (docs/algorithm.md,
// equation 7).
struct RatioConfig {
  int64_t steps = 0;  // 0: the training discriminator is used as it is
  int64_t batch = 512;
  double instance_noise = 0;  // sd of noise on reals and fakes alike; evaluated on clean images
  double output_noise = 0;    // s of Corollary 2: samples are G(z) + s z', chains move (z, z')
  bool noise_reals = false;   // output_noise: the target is the data with the same noise, not the data
  double ema_decay = 0;
  AdamConfig adam{1e-3, 0.9, 0.999, "cosine"};
  RefineConfig refine;
};

// How a score becomes the log-ratio that DDLS needs, once all training is done (docs/algorithm.md, equations 11 to 14
// and 70 to 71).
struct CalibrationConfig {
  std::string method = "none";  // none | platt | isotonic | head | scale | temperature | tilt
  int64_t held_out = 5000;      // of the training set, for fitted methods: no phase of training sees them
  double scale = 1;             // method scale: r = scale * score, nothing is fitted
  int64_t pool = 30'000;        // temperature, tilt: prior draws
  double ess_floor = 0.1;       // temperature, tilt: effective sample size that weights on the pool must keep
  // tilt: kinds (ddls/calibration/sample_features.hpp), "classes", or .pt2 or TorchScript files. Empty: by the data
  std::vector<std::string> features;
  int64_t components = 64;  // tilt: of each kind of features
  int64_t products = 12;    // tilt: pairs of so many first components, of features of networks
  double ridge = 0;         // tilt; 0: chosen
  double score_ridge = 4;   // tilt: how much more the ridge weighs on the score

  bool fitted() const { return method != "none" && method != "scale"; }
  bool by_likelihood() const { return method == "temperature" || method == "tilt"; }
};

struct ClassifierConfig {
  int64_t steps = 1500, batch = 128;
  AdamConfig adam{1e-3, 0.9, 0.999, "cosine"};
};

// Training with refined latents (docs/algorithm.md, equations 42 to 46; docs/training.md says when to use which).
struct TrainDdlsConfig {
  std::string mode = "off";  // off | generator | negatives | both | port
  int64_t from_step = 0;     // generator updates before refinement begins
  int64_t steps = 10;        // Langevin steps per refinement
  double step_size = 0.01;
  double noise_std = 1;
  bool persistent = false;  // chains go on from where they were; else each starts at its prior draw
  int64_t chains = 4096;    // persistent: how many
  double refresh = 0.05;    // persistent: share that starts anew when their turn comes
  double penalty = 0.1;     // negatives, both: weight of the mean square of d
};

constexpr int64_t automatic_shards = -1;  // resolved once the ranks are known: train/shards.hpp

struct TrainConfig {
  int64_t steps = 10'000;
  int64_t batch = 256;
  int64_t generator_batch = 0;  // 0: as batch
  int64_t shards = automatic_shards;
  std::string loss = "non_saturating";
  int64_t discriminator_steps = 1;  // per generator step
  double r1_weight = 0;
  int64_t r1_every = 1;
  double r2_weight = 0;
  double gp_weight = 0;
  double orthogonal_weight = 0;
  AdamConfig generator, discriminator;
  double ema_decay = 0;
  int64_t ema_start = 0;
  std::string precision = "float32";  // float32 | tf32 | bfloat16
  std::string batch_norm = "shard";   // shard | global
  int64_t log_every = 100, checkpoint_every = 1000, keep_checkpoints = 2, keep_every = 0, grid_every = 0;
  int64_t evaluate_every = 0, evaluate_count = 2000;
  TrainDdlsConfig ddls;
  RatioConfig ratio;
  CalibrationConfig calibration;
  ClassifierConfig classifier;
};

// A sampler as the configuration sees it. The list of them comes from above (ddls/registry.hpp).
struct SamplerConfig {
  std::string name, doc;  // of its section, which it has unless there are no options
  Options options;
  bool uses_ratio = true;  // its samples depend on the density ratio
};

struct SampleConfig {
  std::vector<std::string> methods{"generator", "ddls", "mala"};
  int64_t count = 10'000;
  int64_t block_size = 500;
  int64_t start_pool = 0;          // prior draws by whose weights chains of exact samplers start; 0: at prior draws
  int64_t record_every = 10;       // steps between two records of the curves
  int64_t snapshot_every = 0;      // steps between two stored sample sets (FD and IS curves); 0: none
  int64_t trajectories = 16;       // chains whose every record is kept for the figures
  int64_t diagnosed_chains = 256;  // chains whose scalars are kept at every record, for R-hat and ESS
  int64_t checkpoint_every =
      0;  // steps after which the state of a block is saved; 0: blocks are saved when they are done
  std::string precision = "float32";    // of the ratio and its gradient: float32 | tf32 | bfloat16
  bool cuda_graph = false;              // on a GPU: ratio and gradient as one recorded CUDA graph per shape
  bool allow_bad_energy = false;        // exact kernels sample an energy that is worse than none
  std::string labels = "cycle";         // of conditional networks, per chain: cycle | uniform | the number of a class
  std::vector<double> sweep;            // step sizes of the trajectory figure
  std::vector<SamplerConfig> samplers;  // what `methods` may name, in the order of the sections

  const SamplerConfig* find(const std::string& sampler) const;  // null: there is none of that name
  // The options of a sampler; that there is none of that name is a bug: Error(internal).
  const Options& options_of(const std::string& sampler) const;
  Options& options_of(const std::string& sampler) {
    return const_cast<Options&>(std::as_const(*this).options_of(sampler));
  }
};

// A metric as the configuration sees it. The list of them comes from above (metrics/registry.hpp).
struct MetricConfig {
  std::string name, doc;  // of its section, which it has unless there are no options
  Options options;
};

struct NeighboursConfig {  // the figure of nearest training images
  int64_t samples = 0;     // of each method, its first ones; 0: no figure
  int64_t count = 5;
};

struct EvaluateConfig {
  // .pt2 or TorchScript, the first for what takes one; empty: points as they are, or a classifier trained in the run.
  std::vector<std::string> extractor;
  std::string reference = "test";  // train | test
  int64_t reference_count = 0;     // 0: all
  int64_t batch = 64;
  std::string resize = "none";  // before the extractor: none | area | box | bilinear | bicubic | lanczos
  int64_t resize_to = 0;        // pixels a side; 0: as the extractor's file says
  bool resize_rounded = true;   // to bytes, as PIL; false: as clean-fid
  std::vector<std::string> metrics{"fid", "is", "kid", "prdc"};
  int64_t energy_draws = 50'000;    // prior draws that the energy is judged by, at most 20 per sample; 0: it is not
  std::string cache;                // folder of reference statistics; empty: none
  bool keep_statistics = false;     // of evaluated sets there, too
  std::vector<MetricConfig> known;  // what `metrics` may name, in the order of the sections
  NeighboursConfig neighbours;

  const MetricConfig* find(const std::string& metric) const;  // null: there is none of that name
};

struct OutputConfig {
  std::string directory;  // empty: runs/<name>
  bool tensorboard = true;
};

struct Config {
  std::string name = "gaussians25";
  uint64_t seed = 1;
  DataConfig data;
  ModelConfig model;
  TrainConfig train;
  SampleConfig sample;
  EvaluateConfig evaluate;
  OutputConfig output;
};

}  // namespace ddls::config
