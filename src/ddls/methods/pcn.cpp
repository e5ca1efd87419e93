// Preconditioned Crank-Nicolson and preconditioned Langevin at T = 1 (pcn_move.hpp), for latents of any dimension.
#include "ddls/methods/pcn.hpp"

#include <ATen/ATen.h>

#include "ddls/entry.hpp"
#include "ddls/pcn_move.hpp"

namespace ddls::sampling {
namespace {

void step_pcn(Chains& chains, int64_t step, const PcnMove& move, const Target& target, const tensor::Noise& noise) {
  chains.rates["acceptance"] = pcn_move(chains, move, normal_of(chains, noise, step, Stream::langevin),
                                        uniform_of(chains, noise, step, Stream::accept), target);
}

double adapted_size(const PcnOptions& c, double first, const Target& target, const tensor::Noise& noise,
                    const WarmUp& warm_up) {
  const PilotPlan plan{{first}, pcn_acceptance(c.target_acceptance, c.gradient), c.warmup, c.pilot_chains};
  const auto move = [&](Chains& chains, int64_t step, const std::vector<double>& h, const tensor::Noise& own) {
    step_pcn(chains, step, {h[0], c.gradient}, target, own);
    return std::vector<at::Tensor>{chains.rates["acceptance"]};
  };
  return adapted_steps(plan, target, noise, warm_up, move)[0];
}

void bind_pcn(config::Section& s, PcnOptions& o) {
  s.value("steps", &o.steps, "steps", config::at_least(0));
  s.value("step_size", &o.step_size, "b, the share of noise in a proposal (or where its adaptation starts)",
          config::inside(0, 1));
  s.value("gradient", &o.gradient, "preconditioned Langevin: proposals follow the gradient of r, too");
  s.value("adapt", &o.adapt, "adapt b during the warm-up, then freeze it");
  s.value("target_acceptance", &o.target_acceptance,
          "acceptance that the adaptation aims at; 0: 0.3, with the gradient 0.574", config::at_least_below(0, 1));
  s.value("warmup", &o.warmup, "steps of adaptation", config::at_least(0));
  s.value("pilot_chains", &o.pilot_chains, "chains of the adaptation, apart from those that are kept",
          config::at_least(1));
}

}  // namespace

Method pcn(const PcnOptions& config, const Target& target, const tensor::Noise& noise, const WarmUp& warm_up) {
  PcnMove move{.size = pcn_size(config.step_size), .langevin = config.gradient};
  if (adapts(config)) move.size = adapted_size(config, move.size, target, noise, warm_up);
  return {.name = "pcn",
          .steps = config.steps,
          .cost = {.gradients = config.gradient ? 1.0 : 0.0, .ratios = config.gradient ? 0.0 : 1.0},
          .rates = {"acceptance"},
          .step_size = [b = pcn_noise(move.size)](int64_t) { return b; },
          .advance = [=](Chains& chains, int64_t step) { step_pcn(chains, step, move, target, noise); }};
}

Sampler pcn_sampler() {
  return described<PcnOptions>(
      {.name = "pcn",
       .title = "pCN",
       .summary = "preconditioned Crank-Nicolson, or Langevin with the gradient",
       .colour = 5,
       .keys = bind_pcn,
       .needs_gradient = [](const PcnOptions& o) { return o.gradient; },
       .has_warm_up = adapts<PcnOptions>,
       .exact = true,
       .make = [](const PcnOptions& o, const SamplerContext& c) { return pcn(o, c.target, c.noise, c.warm_up); },
       .rates = {acceptance_rate()}});
}

}  // namespace ddls::sampling
