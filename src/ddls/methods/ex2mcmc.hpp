#pragma once
#include "ddls/method.hpp"

namespace ddls::sampling {

// i-SIR moves from the prior mixed with MALA (Samsonov et al., NeurIPS 2022); mala_steps 0: i-SIR alone.
struct Ex2Options {
  int64_t steps = 200;
  int64_t proposals = 10;   // N: the state and N - 1 prior draws
  int64_t mala_steps = 3;   // after each global move
  double step_size = 0.01;  // epsilon of MALA, or where its adaptation starts
  bool adapt = true;
  double target_acceptance = 0.574;
  int64_t warmup = 100, pilot_chains = 512;
};

Method ex2mcmc(const Ex2Options& options, const Target& target, const tensor::Noise& noise, const WarmUp& warm_up = {});

}  // namespace ddls::sampling
