// Hamiltonian Monte Carlo with unit mass (Neal 2011): p ~ N(0, I), L leapfrog steps of size h, accepted with
// log A = H(z, p) - H(z', p'), else the state is z again with its own evaluation. The step size is jittered by a factor
// that all chains of a step share: it must not depend on the state. L new gradients per step.
#include "ddls/methods/hmc.hpp"

#include <ATen/ATen.h>

#include "ddls/entry.hpp"
#include "ddls/leapfrog.hpp"

namespace ddls::sampling {
namespace {

constexpr double divergence = 1000;  // |dH| beyond this: the integrator has lost the trajectory

void step_hmc(Chains& chains, int64_t step, double h, const HmcOptions& c, const Target& target,
              const tensor::Noise& noise) {
  const double u = noise.uniform({0, 1}, 1, step, Stream::jitter).item<double>();
  const double jittered = h * (1 + c.jitter * (2 * u - 1));
  const Particles from{chains.z, normal_of(chains, noise, step, Stream::momentum), chains.now};
  const Particles to = leapfrog(from, jittered, c.leapfrog_steps, c.temperature, target, chains.labels);
  // Sums of large terms: the difference is taken in float64.
  const at::Tensor log_a =
      hamiltonian(from, c.temperature).to(at::kDouble) - hamiltonian(to, c.temperature).to(at::kDouble);
  // H may be finite at a place whose gradient is not; such an evaluation must not enter the chain.
  const at::Tensor usable = at::isfinite(to.now.grad_log_ratio).all(1);
  const at::Tensor acceptance = acceptance_of(log_a) * usable;
  chains.rates["divergent"] = at::isfinite(log_a).logical_not().logical_or(log_a.abs() > divergence);
  chains.rates["acceptance"] = acceptance;
  move_where(uniform_of(chains, noise, step, Stream::accept) < acceptance, to.z, to.now, chains);
}

void bind_hmc(config::Section& s, HmcOptions& o) {
  s.value("steps", &o.steps, "steps", config::at_least(0));
  s.value("leapfrog_steps", &o.leapfrog_steps, "leapfrog steps (gradients) per step", config::at_least(1));
  s.value("step_size", &o.step_size, "size of a leapfrog step (or where its adaptation starts)", config::above(0));
  s.value("jitter", &o.jitter, "the size varies from step to step by up to this share of itself",
          config::at_least_below(0, 1));
  s.value("temperature", &o.temperature, "of the law exp(-E/T)", config::above(0));
  s.value("adapt", &o.adapt, "adapt the step size during the warm-up, then freeze it");
  bind_warm_up(s, o);
}

}  // namespace

Method hmc(const HmcOptions& config, const Target& target, const tensor::Noise& noise, const WarmUp& warm_up) {
  double h = config.step_size;
  if (adapts(config)) {
    const PilotPlan plan{{h}, config.target_acceptance, config.warmup, config.pilot_chains};
    const auto move = [&](Chains& chains, int64_t step, const std::vector<double>& size, const tensor::Noise& own) {
      step_hmc(chains, step, size[0], config, target, own);
      return std::vector<at::Tensor>{chains.rates["acceptance"]};
    };
    h = adapted_steps(plan, target, noise, warm_up, move)[0];
  }
  return {.name = "hmc",
          .steps = config.steps,
          .temperature = config.temperature,
          .cost = {.gradients = static_cast<double>(config.leapfrog_steps)},
          .rates = {"acceptance", "divergent"},
          .step_size = [h](int64_t) { return h; },
          .advance = [=](Chains& chains, int64_t step) { step_hmc(chains, step, h, config, target, noise); }};
}

Sampler hmc_sampler() {
  return described<HmcOptions>(
      {.name = "hmc",
       .title = "HMC",
       .summary = "Hamiltonian Monte Carlo",
       .colour = 4,
       .keys = bind_hmc,
       .has_warm_up = adapts<HmcOptions>,
       .exact = [](const HmcOptions& o) { return o.temperature == 1; },
       .make = [](const HmcOptions& o, const SamplerContext& c) { return hmc(o, c.target, c.noise, c.warm_up); },
       .rates = {acceptance_rate(), {"divergent", "divergent", "share", "divergent trajectories, share"}}});
}

}  // namespace ddls::sampling
