#pragma once
// The registry's samplers as tests configure them: by keys, as users do, so that a test needs no sampler's own types.
#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include "config/load.hpp"
#include "ddls/registry.hpp"

namespace ddls::test {

// {"mala.steps=3"}: --set sample.mala.steps=3.
inline config::SampleConfig sample_config(const std::vector<std::string>& assignments = {}) {
  config::Config config;
  sampling::add_samplers(config.sample);
  config::Section root("", "");
  config::bind(root, config);
  std::vector<config::ConfigProblem> problems;
  for (const std::string& assignment : assignments) config::read_override(root, "sample." + assignment, problems);
  if (!problems.empty()) throw std::invalid_argument(problems[0].text());
  return config.sample;
}

// Every sampler in milliseconds: whatever has these keys is cut to so many.
inline config::SampleConfig quick_config(const std::vector<std::string>& assignments = {}) {
  config::SampleConfig config = sample_config(assignments);
  const std::vector<std::pair<std::string, int64_t>> most{{"steps", 12},        {"budget", 12},  {"warmup", 10},
                                                          {"pilot_chains", 50}, {"pilots", 200}, {"pool", 200}};
  for (config::SamplerConfig& sampler : config.samplers) {
    config::Section section("", "");
    sampler.options.bind(section);
    for (config::Field& field : section.fields())
      for (const auto& [key, count] : most)
        if (int64_t** value = std::get_if<int64_t*>(&field.target); value != nullptr && field.name == key)
          **value = std::min(**value, count);
  }
  return config;
}

}  // namespace ddls::test
