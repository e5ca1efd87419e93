// Sampling-importance resampling (Rubin 1987): samples are draws of a pool of prior draws, by weight and spread evenly
// (prior_pool.hpp), so that few are the same. The law of a sample is that of the weighted pool, as that of i-SIR over a
// pool: what differs from p0 e^r is the error of an importance sample.
#include "ddls/entry.hpp"
#include "ddls/prior_pool.hpp"

namespace ddls::sampling {
namespace {

struct SirOptions {
  int64_t pool = 200'000;
};

void bind_sir(config::Section& s, SirOptions& o) {
  s.value("pool", &o.pool, "prior draws evaluated once, from which all samples are taken by weight",
          config::at_least(1));
}

Method sir(const SirOptions& o, const Target& target, const tensor::Noise& noise, const WarmUp& warm_up) {
  PriorPool pool = prior_pool(o.pool, target, noise, warm_up, "sir");
  return {.cost = {.gradients = 0},
          .warm_up = pool.weights,
          .step_size = [](int64_t) { return 0.0; },
          .start = weighted_start(std::move(pool), "sample.sir.pool", target, noise),
          .advance = [](Chains&, int64_t) {}};
}

}  // namespace

Sampler sir_sampler() {
  return described<SirOptions>(
      {.name = "sir",
       .title = "SIR",
       .summary = "importance resampling: weighted draws of a pool of prior draws",
       .keys = bind_sir,
       .needs_gradient = false,
       .has_warm_up = true,
       .make = [](const SirOptions& o, const SamplerContext& c) { return sir(o, c.target, c.noise, c.warm_up); }});
}

}  // namespace ddls::sampling
