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
inline SampleConfig sample_config(const std::vector<std::string>& assignments = {}) {
  Config config;
  add_samplers(config.sample);
  Section root("", "");
  bind(root, config);
  std::vector<ConfigProblem> problems;
  for (const std::string& assignment : assignments) read_override(root, "sample." + assignment, problems);
  if (!problems.empty()) throw std::invalid_argument(problems[0].text());
  return config.sample;
}

// Every sampler in milliseconds: whatever has these keys is cut to so many.
inline SampleConfig quick_config(const std::vector<std::string>& assignments = {}) {
  SampleConfig config = sample_config(assignments);
  const std::vector<std::pair<std::string, int64_t>> most{
      {"steps", 12}, {"budget", 12}, {"warmup", 10}, {"pilot_chains", 50}, {"pilots", 200}};
  for (SamplerConfig& sampler : config.samplers) {
    Section section("", "");
    sampler.options.bind(section);
    for (Field& field : section.fields())
      for (const auto& [key, count] : most)
        if (int64_t** value = std::get_if<int64_t*>(&field.target); value != nullptr && field.name == key)
          **value = std::min(**value, count);
  }
  return config;
}

}  // namespace ddls::test
