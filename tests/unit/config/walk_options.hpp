#pragma once
// Samplers as a configuration knows them, for tests of this folder, which has none of its own.
#include <cstdint>
#include <vector>

#include "config/config.hpp"
#include "config/schema.hpp"

namespace ddls::test {

struct WalkOptions {
  int64_t steps = 10;
  double step_size = 0.01, step_size_end = 0;
  std::vector<double> sizes{1};
};

inline config::Config with_samplers() {
  config::Config made;
  const auto keys = [](config::Section& s, WalkOptions& o) {
    s.value("steps", &o.steps, "steps", config::at_least(0));
    s.value("step_size", &o.step_size, "first size", config::above(0));
    s.value("step_size_end", &o.step_size_end, "last size", config::at_least(0));
    s.value("sizes", &o.sizes, "sizes in turn", config::above(0));
  };
  const auto check = [](const WalkOptions& o) -> std::vector<config::Conflict> {
    if (o.step_size_end <= o.step_size) return {};
    return {{{"step_size_end", "step_size"}, "step sizes only fall"}};
  };
  made.sample.samplers = {{"generator", "no options", {}, false},
                          {"ddls", "a walk", config::Options::of<WalkOptions>(keys, check)},
                          {"mala", "another walk", config::Options::of<WalkOptions>(keys, check)}};
  return made;
}

}  // namespace ddls::test
