#pragma once
// Step-size adaptation on pilot chains: the same chains (ids and noise) on every rank, so every rank finds the same step size
// without communication. Their noise has its own key: the production chains are independent of them. The step size is frozen
// when the warm-up ends.
#include <functional>

#include "ddls/chains.hpp"

namespace ddls {

// Called after every step of a warm-up, or batch of pilot draws: how many are done, of how many. May throw to stop.
using WarmUpStep = std::function<void(int64_t done, int64_t of)>;

struct PilotPlan {
  double first = 0.1;  // step size at which the adaptation starts
  double target_acceptance = 0.574;
  int64_t warmup = 200, chains = 512;
};

// `move(chains, step, h, noise)` makes one step of size h and sets the rate "acceptance". Returns the averaged step size of
// dual averaging (dual_averaging.hpp).
double adapted_step(const PilotPlan& plan, const Target& target, const Noise& noise, const WarmUpStep& after_step,
                    const std::function<void(Chains&, int64_t step, double h, const Noise&)>& move);

Noise pilot_noise(const Noise& noise);

}  // namespace ddls
