#pragma once
#include "ddls/method.hpp"

namespace ddls::sampling {

struct SmcOptions {
  int64_t steps = 50;
  int64_t moves = 2;       // after each step of the inverse temperature
  bool gradient = false;   // preconditioned Langevin in place of Crank-Nicolson
  bool adaptive = true;    // inverse temperatures by `share`
  double share = 0.9;      // of the particles that a step of the inverse temperature may leave effective
  double power = 2;        // not adaptive: b_k = (k / steps)^power
  double step_size = 0.9;  // b of pCN, or where its adaptation starts
  bool adapt = true;
  double target_acceptance = 0;  // 0: 0.3, with the gradient 0.574
};

Method smc(const SmcOptions& options, const Target& target, const tensor::Noise& noise);

}  // namespace ddls::sampling
