// Unadjusted Langevin, Algorithm 1 of the paper:
//   z <- z - (eps/2) grad E(z) + noise_std sqrt(eps) n,  n ~ N(0, I)
// A decaying eps scales drift and noise together, so T = noise_std^2 at every step.
#include <algorithm>
#include <cmath>

#include "ddls/method.hpp"

namespace ddls {

Method ula(const UlaConfig& config, const Target& target, const Noise& noise) {
  const double ratio = config.step_size_end > 0 ? config.step_size_end / config.step_size : 1;
  const auto last = static_cast<double>(std::max<int64_t>(config.steps - 1, 1));
  auto step_size = [first = config.step_size, ratio, last](int64_t step) {
    return first * std::pow(ratio, static_cast<double>(step) / last);
  };
  auto advance = [=, noise_std = config.noise_std](Chains& chains, int64_t step) {
    chains.z = noise.langevin_move(chains.z, chains.now.grad_log_ratio, step_size(step), noise_std, chains.ids, step,
                                   Stream::langevin);
    chains.now = target.evaluate(chains.z, chains.labels);
  };
  return {.name = "ddls",
          .steps = config.steps,
          .temperature = config.noise_std * config.noise_std,
          .step_size = step_size,
          .advance = advance};
}

}  // namespace ddls
