#pragma once
// Adversarial training of generator and discriminator, data parallel.
#include <functional>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "data/dataset.hpp"
#include "models/network_fwd.hpp"
#include "train/phase.hpp"

namespace ddls::train {

struct TrainContext {
  const config::Config& config;
  const data::Dataset& data;
  std::filesystem::path checkpoints;
  Resume resume;
  RunLog& log;
  dist::Communicator& comm;
  // **Collective.** Metrics of the generator as it would be sampled from, every train.evaluate_every steps; may be
  // empty.
  std::function<std::vector<NamedValue>(const models::NetworkPtr& generator)> evaluate = {};
};

// **Collective.** Trains to train.steps and returns the generator for sampling: the moving average of the weights (or
// the weights), batch-norm statistics measured on prior draws, eval mode; and the discriminator as it ended.
struct TrainedGan {
  models::NetworkPtr generator, discriminator;
};
TrainedGan train_gan(const TrainContext& context);

// From a checkpoint of the GAN phase: what train_gan would return at that step. `data`: what it is trained on.
TrainedGan load_gan(const config::Config& config, const data::Dataset& data, const Checkpoint& checkpoint,
                    const std::string& source, c10::Device device);

models::SampleShape sample_shape(const data::Dataset& data);

}  // namespace ddls::train
