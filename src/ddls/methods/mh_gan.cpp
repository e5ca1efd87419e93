// MH-GAN (Turner et al., ICML 2019): independence Metropolis-Hastings, prior draws as proposals, A = min(1, e^{r' -
// r}). The chain starts at a prior draw of its own, not at a real sample (which has no latent): burn-in is part of its
// steps.
#include <ATen/ATen.h>

#include "ddls/entry.hpp"

namespace ddls::sampling {
namespace {

struct MhGanOptions {
  int64_t steps = 640;
};

void bind_mh_gan(config::Section& s, MhGanOptions& o) {
  s.value("steps", &o.steps, "proposals per sample", config::at_least(0));
}

Method mh_gan(const MhGanOptions& config, const Target& target, const tensor::Noise& noise) {
  const auto advance = [=](Chains& chains, int64_t step) {
    const at::Tensor z = normal_of(chains, noise, step, Stream::proposal);
    const Evaluation there = target.evaluate(z, chains.labels);
    const at::Tensor acceptance = acceptance_of(there.log_ratio - chains.now.log_ratio);
    move_where(uniform_of(chains, noise, step, Stream::accept) < acceptance, z, there, chains);
    chains.rates["acceptance"] = acceptance;
  };
  return {.name = "mh_gan",
          .steps = config.steps,
          .cost = {.gradients = 0, .ratios = 1},
          .rates = {"acceptance"},
          .step_size = [](int64_t) { return 0.0; },
          .advance = advance};
}

}  // namespace

Sampler mh_gan_sampler() {
  return described<MhGanOptions>(
      {.name = "mh_gan",
       .title = "MH-GAN",
       .summary = "Metropolis-Hastings with prior draws as proposals",
       .colour = 7,
       .keys = bind_mh_gan,
       .needs_gradient = false,
       .exact = true,
       .make = [](const MhGanOptions& o, const SamplerContext& c) { return mh_gan(o, c.target, c.noise); },
       .rates = {acceptance_rate()}});
}

}  // namespace ddls::sampling
