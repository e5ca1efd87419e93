#pragma once
// Every option of a run as plain data. Names, meaning, defaults, ranges and documentation of the YAML keys stand in
// bind.cpp, one line each; the sections here are the sections there. Nothing in this folder knows Torch or MPI.
#include <cstdint>
#include <string>
#include <vector>

namespace ddls {

struct DataConfig {
  std::string kind = "gaussians25";
  std::string train, test;                // files or folders; made absolute when the configuration is read
  std::string train_labels, test_labels;  // idx only
  int64_t points = 100'000;               // 2-D toy data: size of the training set
  int64_t image_size = 0;                 // 0: as stored, all alike
  int64_t channels = 0;                   // 0: as stored
  std::string damaged = "fatal";
};

struct ModelConfig {
  std::string architecture = "mlp";
  int64_t latent_dim = 2;
  std::vector<int64_t> generator_widths{128, 128, 128};
  std::vector<int64_t> discriminator_widths{128, 128, 128};
  std::vector<int64_t> ratio_widths{256, 256, 256};
  int64_t ratio_hidden = 0;               // dcgan: a linear layer before the logit; 0: none
  std::vector<double> ratio_frequencies;  // mlp: sin(f x) and cos(f x) of every coordinate join the inputs
  std::vector<int64_t> classifier_widths{32, 64, 128};
};

struct AdamConfig {
  double lr = 1e-4, beta1 = 0.5, beta2 = 0.999;
  std::string schedule = "constant";  // constant | linear | cosine
  double constant_until = 0;          // share of the steps before the schedule begins to fall
  double final_share = 0;             // of lr, where the schedule ends
};

// Maximum-likelihood refinement of the fitted ratio, generator frozen: r ascends mean r(x) - mean r(G(z)) over persistent
// Langevin chains of its own energy (algorithm.md, section 5, mode `ebm`).
struct RefineConfig {
  int64_t steps = 0;     // 0: none
  int64_t batch = 64;    // reals, and chains moved, per step
  int64_t chains = 512;  // persistent chains, moved in turn
  int64_t chain_steps = 4;
  double step_size = 0.05;  // epsilon of the chains
  double refresh = 0.1;     // share of chains that start anew from the prior when their turn comes
  AdamConfig adam{2e-4, 0.5, 0.99, "linear"};
};

// The density-ratio discriminator: fitted by the logistic loss with the generator frozen (algorithm.md, section 2).
struct RatioConfig {
  int64_t steps = 0;  // 0: the training discriminator is used as it is
  int64_t batch = 512;
  double instance_noise = 0;  // sd of noise on reals and fakes alike; evaluated on clean images
  double ema_decay = 0;
  AdamConfig adam{1e-3, 0.9, 0.999, "cosine"};
  RefineConfig refine;
};

struct ClassifierConfig {
  int64_t steps = 1500, batch = 128;
  AdamConfig adam{1e-3, 0.9, 0.999, "cosine"};
};

struct TrainConfig {
  int64_t steps = 10'000;
  int64_t batch = 256;
  int64_t shards = 4;
  std::string loss = "non_saturating";
  int64_t discriminator_steps = 1;  // per generator step
  double r1_weight = 0;
  int64_t r1_every = 1;
  AdamConfig generator, discriminator;
  double ema_decay = 0;
  int64_t log_every = 100, checkpoint_every = 1000, keep_checkpoints = 2, grid_every = 0;
  RatioConfig ratio;
  ClassifierConfig classifier;
};

struct UlaConfig {  // sample.ddls: Algorithm 1 of the paper
  int64_t steps = 1000;
  double step_size = 0.01;   // epsilon
  double step_size_end = 0;  // 0: constant; else geometric from step_size to this
  double noise_std = 1;      // multiple of sqrt(epsilon); T = noise_std^2
};

struct MalaConfig {
  int64_t steps = 1000;
  std::vector<double> step_sizes{0.01};  // epsilon; several are used in turn, step by step
  bool adapt = true;                     // a single step size is adapted, then frozen
  double target_acceptance = 0.574;
  int64_t warmup = 200;
};

struct SampleConfig {
  std::vector<std::string> methods{"generator", "ddls", "mala"};
  int64_t count = 10'000;
  int64_t block_size = 500;
  int64_t record_every = 10;   // steps between two records of the curves
  int64_t snapshot_every = 0;  // steps between two stored sample sets (FD and IS curves); 0: none
  int64_t trajectories = 16;   // chains whose every record is kept for the figures
  std::vector<double> sweep;   // step sizes of the trajectory figure
  UlaConfig ddls;
  MalaConfig mala;
};

struct KidConfig {  // defaults: torch-fidelity's
  int64_t subsets = 100, subset_size = 1000;
};

struct PrdcConfig {
  int64_t k = 5;
  int64_t count = 10'000;  // the first so many images of each set
};

struct EvaluateConfig {
  std::string extractor;           // TorchScript; empty: points as they are, or a classifier trained in the run
  std::string reference = "test";  // train | test
  int64_t reference_count = 0;     // 0: all
  int64_t batch = 250;
  std::vector<std::string> metrics{"fid", "is", "kid", "prdc"};
  std::string cache;  // folder of reference statistics; empty: none
  KidConfig kid;
  PrdcConfig prdc;
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

}  // namespace ddls
