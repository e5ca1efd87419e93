#pragma once
#include "ddls/method.hpp"

namespace ddls::sampling {

// Parallel tempering of the ratio: replicas on p0 e^{b r}, 1 = b_1 > ... > b_K.
struct TemperingOptions {
  int64_t steps = 500;
  int64_t levels = 5;       // K
  double smallest = 0.1;    // where the geometric ladder ends
  bool prior_level = true;  // the last level is b = 0: a fresh prior draw every step
  double step_size = 0.01;  // epsilon of MALA on every level, or where its adaptation starts
  bool adapt = true;        // level by level
  double target_acceptance = 0.574;
  int64_t warmup = 200, pilot_chains = 256;
};

Method tempering(const TemperingOptions& options, const Target& target, const tensor::Noise& noise,
                 const WarmUp& warm_up = {});

}  // namespace ddls::sampling
