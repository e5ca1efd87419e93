// Ex2MCMC (Samsonov et al., NeurIPS 2022): a global i-SIR move, then MALA steps. i-SIR with the prior as proposal: of
// the state and N - 1 prior draws, number i becomes the state with probability w_i / sum w, w = p e^{-E} / p0 = e^r
// (Andrieu, Lee & Vihola 2018). The evaluation is computed anew after the choice: no gradient survives a jump. Both
// moves leave the target invariant.
#include "ddls/methods/ex2mcmc.hpp"

#include <ATen/ATen.h>

#include <cmath>

#include "ddls/entry.hpp"
#include "ddls/mala_move.hpp"

namespace ddls::sampling {
namespace {

constexpr const char* jump_rate = "jump_probability";

// Returns [n], the probability of having left the state.
at::Tensor isir_move(Chains& chains, int64_t step, int64_t proposals, const Target& target,
                     const tensor::Noise& noise) {
  std::vector<at::Tensor> draws{chains.z}, log_weights{chains.now.log_ratio.to(at::kDouble)};
  for (int64_t j = 0; j + 1 < proposals; ++j) {
    const at::Tensor draw = normal_of(chains, noise, step * (proposals - 1) + j, Stream::proposal);
    const at::Tensor log_weight = target.log_ratio(draw, chains.labels).to(at::kDouble);
    draws.push_back(draw);
    log_weights.push_back(at::where(at::isfinite(log_weight), log_weight, at::full_like(log_weight, -INFINITY)));
  }
  const at::Tensor log_w = at::stack(log_weights, 1);
  const at::Tensor p = (log_w - log_w.logsumexp(1, true)).exp();
  // Uniforms are float32 midpoints below 1 - 2^-25 and p sums to 1 in float64: the choice never runs past the end.
  const at::Tensor u = uniform_of(chains, noise, step, Stream::choice).to(at::kDouble).unsqueeze(1);
  const at::Tensor choice = (u >= p.cumsum(1)).sum(1);
  for (int64_t j = 1; j < proposals; ++j)
    chains.z = at::where((choice == j).unsqueeze(1), draws[static_cast<size_t>(j)], chains.z);
  chains.now = target.evaluate(chains.z, chains.labels);
  return 1 - p.select(1, 0);
}

void step_ex2(Chains& chains, int64_t step, double eps, const Ex2Options& c, const Target& target,
              const tensor::Noise& noise) {
  const at::Tensor jumped = isir_move(chains, step, c.proposals, target, noise);
  if (c.mala_steps == 0) {
    chains.rates["acceptance"] = jumped;
    return;
  }
  at::Tensor total;
  for (int64_t i = 0; i < c.mala_steps; ++i) {
    const int64_t at = step * c.mala_steps + i;
    const at::Tensor acceptance = mala_move(chains, eps, 1, normal_of(chains, noise, at, Stream::langevin),
                                            uniform_of(chains, noise, at, Stream::accept), target);
    total = total.defined() ? total + acceptance : acceptance;
  }
  chains.rates["acceptance"] = total / static_cast<double>(c.mala_steps);
  chains.rates[jump_rate] = jumped;
}

StepCost cost_of(const Ex2Options& c) {
  const auto proposals = static_cast<double>(c.proposals);
  if (c.mala_steps == 0) return {.gradients = 0, .ratios = proposals};  // global moves use no gradient
  return {.gradients = static_cast<double>(1 + c.mala_steps), .ratios = proposals - 1};
}

bool adapts_mala(const Ex2Options& o) { return adapts(o) && o.mala_steps > 0; }

void bind_ex2(config::Section& s, Ex2Options& o) {
  s.value("steps", &o.steps, "global moves", config::at_least(0));
  s.value("proposals", &o.proposals, "candidates of a global move: the state and prior draws", config::at_least(2));
  s.value("mala_steps", &o.mala_steps, "MALA steps after each global move; 0: global moves alone (i-SIR)",
          config::at_least(0));
  s.value("step_size", &o.step_size, "epsilon of MALA (or where its adaptation starts)", config::above(0));
  s.value("adapt", &o.adapt, "adapt epsilon during the warm-up, then freeze it");
  s.value("target_acceptance", &o.target_acceptance, "acceptance that the adaptation aims at", config::inside(0, 1));
  s.value("warmup", &o.warmup, "global moves of the adaptation", config::at_least(0));
  s.value("pilot_chains", &o.pilot_chains, "chains of the adaptation, apart from those that are kept",
          config::at_least(1));
}

}  // namespace

Method ex2mcmc(const Ex2Options& config, const Target& target, const tensor::Noise& noise, const WarmUp& warm_up) {
  double eps = config.mala_steps > 0 ? config.step_size : 0;
  if (adapts_mala(config)) {
    const PilotPlan plan{{std::sqrt(eps)}, config.target_acceptance, config.warmup, config.pilot_chains};
    const auto move = [&](Chains& chains, int64_t step, const std::vector<double>& h, const tensor::Noise& own) {
      step_ex2(chains, step, h[0] * h[0], config, target, own);
      return std::vector<at::Tensor>{chains.rates["acceptance"]};
    };
    const double s = adapted_steps(plan, target, noise, warm_up, move)[0];
    eps = s * s;
  }
  std::vector<std::string> rates{"acceptance"};  // of MALA; of the global moves where they are alone
  if (config.mala_steps > 0) rates.emplace_back(jump_rate);
  return {.name = "ex2mcmc",
          .steps = config.steps,
          .cost = cost_of(config),
          .rates = rates,
          .step_size = [eps](int64_t) { return eps; },
          .advance = [=](Chains& chains, int64_t step) { step_ex2(chains, step, eps, config, target, noise); }};
}

Sampler ex2mcmc_sampler() {
  return described<Ex2Options>(
      {.name = "ex2mcmc",
       .title = "Ex²MCMC",
       .summary = "global moves from the prior mixed with MALA",
       .colour = 6,
       .keys = bind_ex2,
       .needs_gradient = [](const Ex2Options& o) { return o.mala_steps > 0; },
       .has_warm_up = adapts_mala,
       .exact = true,
       .make = [](const Ex2Options& o, const SamplerContext& c) { return ex2mcmc(o, c.target, c.noise, c.warm_up); },
       .rates = {acceptance_rate(), {jump_rate, "global jumps", "share", "probability of a global jump"}}});
}

}  // namespace ddls::sampling
