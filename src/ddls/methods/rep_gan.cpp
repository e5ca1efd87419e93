// REP-GAN (Wang et al., ECML-PKDD 2021) moves in latent space by MALA at a fixed step: the same kernel under its own
// name and with its published settings (tau = 0.01, noise 0.1, 640 steps: T = 1).
#include "ddls/entry.hpp"
#include "ddls/methods/mala.hpp"

namespace ddls::sampling {
namespace {

struct RepGanOptions {
  int64_t steps = 640;
  double step_size = 0.01;  // tau
};

void bind_rep_gan(config::Section& s, RepGanOptions& o) {
  s.value("steps", &o.steps, "steps", config::at_least(0));
  s.value("step_size", &o.step_size, "tau, not adapted", config::above(0));
}

Method rep_gan(const RepGanOptions& config, const Target& target, const tensor::Noise& noise) {
  MalaOptions kernel;
  kernel.steps = config.steps;
  kernel.step_sizes = {config.step_size};
  kernel.adapt = false;
  return mala(kernel, target, noise);
}

}  // namespace

Sampler rep_gan_sampler() {
  return described<RepGanOptions>(
      {.name = "rep_gan",
       .title = "Rep-GAN",
       .summary = "latent MALA as published for REP-GAN",
       .colour = 5,
       .keys = bind_rep_gan,
       .exact = true,
       .make = [](const RepGanOptions& o, const SamplerContext& c) { return rep_gan(o, c.target, c.noise); },
       .rates = {acceptance_rate()}});
}

}  // namespace ddls::sampling
