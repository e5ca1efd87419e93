#pragma once
#include <vector>

#include "ddls/method.hpp"

namespace ddls::sampling {

struct MalaOptions {
  int64_t steps = 1000;
  std::vector<double> step_sizes{0.01};  // epsilon; several are used in turn, step by step
  bool adapt = true;                     // a single step size is adapted, then frozen
  double target_acceptance = 0.574;
  int64_t warmup = 200;
  int64_t pilot_chains = 512;  // chains of the warm-up, apart from those that are kept
};

Method mala(const MalaOptions& options, const Target& target, const tensor::Noise& noise, const WarmUp& warm_up = {});

}  // namespace ddls::sampling
