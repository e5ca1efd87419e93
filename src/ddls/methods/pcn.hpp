#pragma once
#include "ddls/method.hpp"

namespace ddls::sampling {

struct PcnOptions {
  int64_t steps = 1000;
  double step_size = 0.3;  // b, or where its adaptation starts; 1 proposes prior draws
  bool gradient = false;   // preconditioned Langevin
  bool adapt = true;
  double target_acceptance = 0;  // 0: 0.3, with the gradient 0.574
  int64_t warmup = 200, pilot_chains = 512;
};

Method pcn(const PcnOptions& options, const Target& target, const tensor::Noise& noise, const WarmUp& warm_up = {});

}  // namespace ddls::sampling
