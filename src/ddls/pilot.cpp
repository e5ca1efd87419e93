#include "ddls/pilot.hpp"

#include <ATen/ATen.h>

#include "ddls/dual_averaging.hpp"

namespace ddls {

Noise pilot_noise(const Noise& noise) { return {noise.seed ^ 0x70696C6F74ULL}; }

double adapted_step(const PilotPlan& plan, const Target& target, const Noise& noise, const WarmUpStep& after_step,
                    const std::function<void(Chains&, int64_t step, double h, const Noise&)>& move) {
  const Noise own = pilot_noise(noise);
  Chains chains = start_chains({0, plan.chains}, target, own);
  DualAveraging averaging(plan.first, plan.target_acceptance);
  for (int64_t step = 0; step < plan.warmup; ++step) {
    move(chains, step, averaging.step(), own);
    averaging.update(chains.rates.at("acceptance").to(at::kDouble).mean().item<double>());
    if (after_step) after_step(step + 1, plan.warmup);
  }
  return averaging.averaged_step();
}

}  // namespace ddls
