#include "train/training_key.hpp"

#include <fmt/format.h>

#include <array>

#include "config/load.hpp"

namespace ddls {
namespace {

// Keys hold a whole configuration, with the defaults of the samplers that there were when keys were given this form: no
// phase depends on them, and samplers that came later do not make older checkpoints strangers.
constexpr std::array samplers_in_keys{"ddls",   "mala",    "hmc", "underdamped", "ex2mcmc",    "tempering",     "drs",
                                      "mh_gan", "rep_gan", "dot", "dgflow",      "truncation", "pixel_langevin"};

// The same of metrics.
constexpr std::array metrics_in_keys{"kid", "prdc"};

// A configuration of defaults in which only what matters to every phase is set.
Config common(const Config& config) {
  Config relevant;
  for (const char* name : samplers_in_keys)
    if (const SamplerConfig* sampler = config.sample.find(name))
      relevant.sample.samplers.push_back({name, sampler->doc, sampler->options.defaults(), sampler->uses_ratio});
  for (const char* name : metrics_in_keys)
    if (const MetricConfig* metric = config.evaluate.find(name))
      relevant.evaluate.known.push_back({name, metric->doc, metric->options.defaults()});
  relevant.seed = config.seed;
  relevant.train.shards = config.train.shards;
  return relevant;
}

// The widths of the other networks do not matter, nor what is of the ratio alone, or of weights from elsewhere.
ModelConfig model_with(const ModelConfig& model, std::vector<int64_t> ModelConfig::*kept_a,
                       std::vector<int64_t> ModelConfig::*kept_b) {
  ModelConfig relevant = model;
  for (auto widths : {&ModelConfig::generator_widths, &ModelConfig::discriminator_widths, &ModelConfig::ratio_widths,
                      &ModelConfig::classifier_widths})
    if (widths != kept_a && widths != kept_b) relevant.*widths = {};
  if (kept_a != &ModelConfig::ratio_widths) {
    relevant.ratio_hidden = ModelConfig{}.ratio_hidden;
    relevant.ratio_frequencies = ModelConfig{}.ratio_frequencies;
  }
  relevant.weight_map = ModelConfig{}.weight_map;
  return relevant;
}

std::string text(uint64_t data_digest, const Config& relevant) {
  return fmt::format("data: {:016x}\n{}", data_digest, key_text(relevant));
}

}  // namespace

std::string gan_key(const Config& config, uint64_t data_digest) {
  Config relevant = common(config);
  const TrainConfig defaults;
  relevant.train = config.train;
  relevant.train.log_every = defaults.log_every;
  relevant.train.checkpoint_every = defaults.checkpoint_every;
  relevant.train.keep_checkpoints = defaults.keep_checkpoints;
  relevant.train.keep_every = defaults.keep_every;
  relevant.train.evaluate_every = defaults.evaluate_every;
  relevant.train.evaluate_count = defaults.evaluate_count;
  relevant.train.grid_every = defaults.grid_every;
  relevant.train.ratio = defaults.ratio;
  relevant.train.calibration = defaults.calibration;  // what it holds out shows in the data's digest
  relevant.train.classifier = defaults.classifier;
  relevant.data.crop = config.data.crop;
  relevant.data.flip = config.data.flip;
  relevant.data.dequantise = config.data.dequantise;
  relevant.model = model_with(config.model, &ModelConfig::generator_widths, &ModelConfig::discriminator_widths);
  return text(data_digest, relevant);
}

std::string ratio_key(const Config& config, uint64_t data_digest) {
  Config relevant = common(config);
  relevant.train.ratio = config.train.ratio;
  relevant.train.ratio.refine = RefineConfig{};
  relevant.model = model_with(config.model, &ModelConfig::ratio_widths, &ModelConfig::ratio_widths);
  return text(data_digest, relevant);
}

std::string refine_key(const Config& config, uint64_t data_digest) {
  Config relevant = common(config);
  relevant.train.ratio.refine = config.train.ratio.refine;
  relevant.model = model_with(config.model, &ModelConfig::ratio_widths, &ModelConfig::ratio_widths);
  return text(data_digest, relevant);
}

std::string classifier_key(const Config& config, uint64_t data_digest) {
  Config relevant = common(config);
  relevant.train.classifier = config.train.classifier;
  relevant.model = ModelConfig{};
  relevant.model.classifier_widths = config.model.classifier_widths;
  return text(data_digest, relevant);
}

}  // namespace ddls
