// Unadjusted Langevin, Algorithm 1 of the paper:
//   z <- z - (eps/2) grad E(z) + noise_std sqrt(eps) n,  n ~ N(0, I)
// A decaying eps scales drift and noise together, so T = noise_std^2 at every step.
#include "ddls/methods/ula.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "ddls/entry.hpp"

namespace ddls::sampling {
namespace {

void bind_ula(config::Section& s, UlaOptions& o) {
  s.value("steps", &o.steps, "Langevin steps", config::at_least(0));
  s.value("step_size", &o.step_size, "epsilon", config::above(0));
  s.value("step_size_end", &o.step_size_end, "falls to this geometrically; 0: constant", config::at_least(0));
  s.value("noise_std", &o.noise_std, "multiple of sqrt(epsilon); 1: Algorithm 1", config::at_least(0));
}

std::vector<config::Conflict> check_ula(const UlaOptions& o) {
  if (o.step_size_end <= o.step_size) return {};
  return {
      {{"step_size_end", "step_size"},
       fmt::format("{} is more than sample.ddls.step_size ({}); step sizes only fall", o.step_size_end, o.step_size)}};
}

}  // namespace

Method ula(const UlaOptions& config, const Target& target, const tensor::Noise& noise) {
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

at::Tensor moved_by_ula(const UlaOptions& options, const Target& target, const tensor::Noise& noise, IdRange ids,
                        at::Tensor z, const at::Tensor& labels, int64_t first_step) {
  for (int64_t step = first_step; step < first_step + options.steps; ++step)
    z = noise.langevin_move(z, target.evaluate(z, labels).grad_log_ratio, options.step_size, options.noise_std, ids,
                            step, Stream::langevin);
  return z;
}

Sampler ddls_sampler() {
  return described<UlaOptions>(
      {.name = "ddls",
       .title = "DDLS",
       .summary = "unadjusted Langevin: Algorithm 1",
       .colour = 2,
       .keys = bind_ula,
       .check = check_ula,
       .make = [](const UlaOptions& o, const SamplerContext& c) { return ula(o, c.target, c.noise); }});
}

}  // namespace ddls::sampling
