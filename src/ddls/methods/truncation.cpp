// The truncation trick: latents from N(0, I) given |z_i| < c, here by the quantile transform of the chain's prior draw
// (the law is that of drawing again until it fits, and each chain costs one draw). A method of zero steps.
#include "ddls/methods/truncation.hpp"

#include <ATen/ATen.h>

#include <cmath>
#include <numbers>

#include "ddls/entry.hpp"

namespace ddls::sampling {
namespace {

void bind_truncation(config::Section& s, TruncationOptions& o) {
  s.value("bound", &o.bound, "|z_i| stays below it", config::above(0));
}

}  // namespace

Method truncation(const TruncationOptions& config, const Target& target) {
  return {.name = "truncation",
          .step_size = [](int64_t) { return 0.0; },
          .start =
              [=](Chains& chains, int64_t) {
                constexpr double sqrt2 = std::numbers::sqrt2;
                const double inside = std::erf(config.bound / sqrt2);
                chains.z = at::erfinv(at::erf(chains.z / sqrt2) * inside) * sqrt2;
                chains.now = target.evaluate(chains.z, chains.labels);
              },
          .advance = [](Chains&, int64_t) {}};
}

Sampler truncation_sampler() {
  return described<TruncationOptions>(
      {.name = "truncation",
       .title = "truncation",
       .summary = "latents from the truncated prior",
       .colour = 8,
       .keys = bind_truncation,
       .uses_ratio = false,
       .needs_gradient = false,
       .make = [](const TruncationOptions& o, const SamplerContext& c) { return truncation(o, c.target); }});
}

}  // namespace ddls::sampling
