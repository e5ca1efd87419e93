// Metropolis-adjusted Langevin at T = 1 (mala_move.hpp). Several step sizes may take turns: large ones carry chains
// between modes, small ones let them leave narrow ridges where large proposals are always refused.
#include "ddls/methods/mala.hpp"

#include <ATen/ATen.h>

#include <cmath>
#include <vector>

#include "ddls/entry.hpp"
#include "ddls/mala_move.hpp"

namespace ddls::sampling {
namespace {

void step_mala(Chains& chains, int64_t step, double eps, const Target& target, const tensor::Noise& noise) {
  chains.rates["acceptance"] = mala_move(chains, eps, 1, normal_of(chains, noise, step, Stream::langevin),
                                         uniform_of(chains, noise, step, Stream::accept), target);
}

double adapted_epsilon(const MalaOptions& c, const Target& target, const tensor::Noise& noise, const WarmUp& warm_up) {
  const PilotPlan plan{{std::sqrt(c.step_sizes.front())}, c.target_acceptance, c.warmup, c.pilot_chains};
  const auto move = [&](Chains& chains, int64_t step, const std::vector<double>& h, const tensor::Noise& own) {
    step_mala(chains, step, h[0] * h[0], target, own);
    return std::vector<at::Tensor>{chains.rates["acceptance"]};
  };
  const double s = adapted_steps(plan, target, noise, warm_up, move)[0];
  return s * s;
}

void bind_mala(config::Section& s, MalaOptions& o) {
  s.value("steps", &o.steps, "steps", config::at_least(0));
  s.value("step_sizes", &o.step_sizes, "epsilon (or where its adaptation starts); several are used in turn",
          config::above(0));
  s.value("adapt", &o.adapt, "adapt a single step size during the warm-up, then freeze it");
  bind_warm_up(s, o);
}

std::vector<config::Conflict> check_mala(const MalaOptions& o) {
  std::vector<config::Conflict> out;
  if (o.step_sizes.empty()) out.push_back({{"step_sizes"}, "expected at least one step size"});
  if (o.adapt && o.step_sizes.size() > 1)
    out.push_back({{"adapt", "step_sizes"}, "one step size can be adapted, not several"});
  return out;
}

}  // namespace

Method mala(const MalaOptions& config, const Target& target, const tensor::Noise& noise, const WarmUp& warm_up) {
  std::vector<double> cycle = config.step_sizes;
  if (adapts(config)) cycle = {adapted_epsilon(config, target, noise, warm_up)};
  // Every step of the cycle leaves the target invariant, and the order is fixed, so the whole does.
  auto step_size = [cycle](int64_t step) { return cycle[static_cast<size_t>(step) % cycle.size()]; };
  return {.name = "mala",
          .steps = config.steps,
          .rates = {"acceptance"},
          .step_size = step_size,
          .advance = [=](Chains& chains, int64_t step) { step_mala(chains, step, step_size(step), target, noise); }};
}

Sampler mala_sampler() {
  return described<MalaOptions>(
      {.name = "mala",
       .title = "MALA",
       .summary = "Metropolis-adjusted Langevin",
       .colour = 3,
       .keys = bind_mala,
       .check = check_mala,
       .has_warm_up = adapts<MalaOptions>,
       .exact = true,
       .make = [](const MalaOptions& o, const SamplerContext& c) { return mala(o, c.target, c.noise, c.warm_up); },
       .rates = {acceptance_rate()}});
}

}  // namespace ddls::sampling
