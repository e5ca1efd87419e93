#include "train/training_key.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "config/load.hpp"

namespace ddls::train {
namespace {

// Keys hold a whole configuration, with the defaults of the samplers that there were when keys were given this form: no
// phase depends on them, and samplers that came later do not make older checkpoints strangers.
constexpr std::array samplers_in_keys{"ddls",   "mala",    "hmc", "underdamped", "ex2mcmc",    "tempering",     "drs",
                                      "mh_gan", "rep_gan", "dot", "dgflow",      "truncation", "pixel_langevin"};

// The same of metrics.
constexpr std::array metrics_in_keys{"kid", "prdc"};

// A configuration of defaults in which only what matters to every phase is set.
config::Config common(const config::Config& config) {
  config::Config relevant;
  for (const char* name : samplers_in_keys)
    if (const config::SamplerConfig* sampler = config.sample.find(name))
      relevant.sample.samplers.push_back({name, sampler->doc, sampler->options.defaults(), sampler->uses_ratio});
  for (const char* name : metrics_in_keys)
    if (const config::MetricConfig* metric = config.evaluate.find(name))
      relevant.evaluate.known.push_back({name, metric->doc, metric->options.defaults()});
  relevant.seed = config.seed;
  relevant.train.shards = config.train.shards;
  return relevant;
}

// The widths of the other networks do not matter, nor what is of the ratio alone, or of weights from elsewhere.
config::ModelConfig model_with(const config::ModelConfig& model, std::vector<int64_t> config::ModelConfig::*kept_a,
                               std::vector<int64_t> config::ModelConfig::*kept_b) {
  config::ModelConfig relevant = model;
  for (auto widths : {&config::ModelConfig::generator_widths, &config::ModelConfig::discriminator_widths,
                      &config::ModelConfig::ratio_widths, &config::ModelConfig::classifier_widths})
    if (widths != kept_a && widths != kept_b) relevant.*widths = {};
  relevant.generator = config::ModelConfig{}.generator;  // by its digest, wherever the file lies
  if (kept_a != &config::ModelConfig::ratio_widths) {
    relevant.ratio_architecture = config::ModelConfig{}.ratio_architecture;
    relevant.ratio_hidden = config::ModelConfig{}.ratio_hidden;
    relevant.ratio_frequencies = config::ModelConfig{}.ratio_frequencies;
  }
  relevant.ratio_extractor = config::ModelConfig{}.ratio_extractor;  // by its checksum
  relevant.weight_map = config::ModelConfig{}.weight_map;
  relevant.compiled = config::ModelConfig{}.compiled;  // the same networks, to rounding
  return relevant;
}

std::string text(uint64_t data_digest, const config::Config& relevant) {
  return fmt::format("data: {:016x}\n{}", data_digest, config::key_text(relevant));
}

}  // namespace

std::string gan_key(const config::Config& config, uint64_t data_digest) {
  config::Config relevant = common(config);
  const config::TrainConfig defaults;
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
  relevant.model =
      model_with(config.model, &config::ModelConfig::generator_widths, &config::ModelConfig::discriminator_widths);
  return text(data_digest, relevant);
}

std::string ratio_key(const config::Config& config, uint64_t data_digest) {
  config::Config relevant = common(config);
  relevant.train.ratio = config.train.ratio;
  relevant.train.ratio.refine = config::RefineConfig{};
  relevant.model = model_with(config.model, &config::ModelConfig::ratio_widths, &config::ModelConfig::ratio_widths);
  return text(data_digest, relevant);
}

std::string refine_key(const config::Config& config, uint64_t data_digest) {
  config::Config relevant = common(config);
  relevant.train.ratio.refine = config.train.ratio.refine;
  relevant.model = model_with(config.model, &config::ModelConfig::ratio_widths, &config::ModelConfig::ratio_widths);
  return text(data_digest, relevant);
}

std::string classifier_key(const config::Config& config, uint64_t data_digest) {
  config::Config relevant = common(config);
  relevant.train.classifier = config.train.classifier;
  relevant.model = config::ModelConfig{};
  relevant.model.classifier_widths = config.model.classifier_widths;
  return text(data_digest, relevant);
}

std::string for_any_steps(std::string key) {
  constexpr std::string_view line = "\n  steps: ";
  const size_t begin = key.find(line, std::min(key.find("\ntrain:\n"), key.size()));
  if (begin != std::string::npos) key.erase(begin, key.find('\n', begin + 1) - begin);
  return key;
}

}  // namespace ddls::train
