#pragma once
#include "ddls/method.hpp"

namespace ddls::sampling {

struct HmcOptions {
  int64_t steps = 200;
  int64_t leapfrog_steps = 5;  // gradients per step
  double step_size = 0.1;      // h, or where its adaptation starts
  double jitter = 0.1;         // h varies by this share of itself, step by step
  double temperature = 1;
  bool adapt = true;
  double target_acceptance = 0.651;
  int64_t warmup = 100;
  int64_t pilot_chains = 512;
};

Method hmc(const HmcOptions& options, const Target& target, const tensor::Noise& noise, const WarmUp& warm_up = {});

}  // namespace ddls::sampling
