// Keys of checkpoints: what does not bear on training is not in them.
#include "train/training_key.hpp"

#include <gtest/gtest.h>

#include "base/files.hpp"
#include "config/load.hpp"
#include "metrics/registry.hpp"
#include "unit/ddls/idle_sampler.hpp"

namespace ddls::train::training_key_test {
namespace {

config::Config with(std::span<const sampling::Sampler> samplers, const std::vector<std::string>& overrides = {}) {
  config::Config config;
  sampling::add_samplers(config.sample, samplers);
  metrics::add_metrics(config.evaluate);
  return config::load_config("", overrides, config);
}

TEST(TrainingKey, SamplersDoNotBearOnTraining) {
  const config::Config plain = with(sampling::samplers()),
                       more = with(test::with_idle_sampler(), {"sample.mala.steps=7"});
  for (const auto key : {gan_key, ratio_key, refine_key, classifier_key}) {
    EXPECT_EQ(key(more, 5), key(plain, 5));
    EXPECT_NE(key(plain, 5), key(plain, 6));
  }
  // Checkpoints hold the sections of these samplers.
  const std::string text = gan_key(plain, 5);
  for (const char* section : {"  ddls:\n    steps: 1000\n", "  hmc:\n", "  pixel_langevin:\n    steps: 100\n"})
    EXPECT_NE(text.find(section), std::string::npos) << section;
}

// Of the version that wrote the first checkpoints. A new key that fails this wants `.later = true` (bind.cpp).
TEST(TrainingKey, TheTextInKeysOfStoredRunsStaysWhatItWas) {
  config::Config config = with(sampling::samplers());
  config.train.shards = 4;
  config.sample.samplers.resize(14);  // keys leave out those that came later: training_key.cpp
  std::erase_if(config.evaluate.known,
                [](const config::MetricConfig& m) { return m.name != "kid" && m.name != "prdc"; });
  EXPECT_EQ(sha256(config::key_text(config)), "1dc1803262ca50a4f71779ad1905c276159b0cfe4dad36f7ba6a89c5e4162c76");
}

}  // namespace
}  // namespace ddls::train::training_key_test
