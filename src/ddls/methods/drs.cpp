// Discriminator rejection sampling (Azadi et al., ICLR 2019): prior draws are accepted with probability sigma(F),
//   F = D - log(1 - e^{D - e}) - gamma,  D = r - max r,
// which for gamma = 0 and e -> 0 is e^D: exact rejection. max r is taken from pilot draws and fixed, so that chains do
// not depend on each other; a ratio above it counts as the maximum. Step t offers candidate t to the chains that have
// none yet; a chain that never accepts ends with its best candidate.
#include <ATen/ATen.h>

#include <cmath>

#include "ddls/entry.hpp"
#include "ddls/pilot_ratios.hpp"

namespace ddls::sampling {
namespace {

struct DrsOptions {
  int64_t steps = 200;      // candidates per sample at most
  int64_t pilots = 10'000;  // prior draws from which the largest ratio is taken
  double percentile = 0;    // gamma is this percentile of F over the pilots; 0: gamma 0, unbiased
};

constexpr double epsilon = 1e-6;
constexpr const char* taken = "taken";  // [n] 1 once a candidate was accepted

struct Bound {
  double largest = 0, gamma = 0;
};

at::Tensor score(const at::Tensor& log_ratio, const Bound& bound) {
  const at::Tensor d = (log_ratio.to(at::kDouble) - bound.largest).clamp_max(0);
  return d - at::log(-at::expm1(d - epsilon)) - bound.gamma;
}

Bound bound_of(const DrsOptions& c, const Target& target, const tensor::Noise& noise, const WarmUp& warm_up) {
  const at::Tensor r = pilot_ratios(c.pilots, target, noise, warm_up);
  const at::Tensor finite = finite_ratios(r, "drs");
  Bound bound{finite.max().item<double>(), 0};
  if (c.percentile > 0) {
    const at::Tensor sorted = std::get<0>(score(finite, bound).sort());
    const auto at = static_cast<int64_t>(c.percentile / 100 * static_cast<double>(sorted.numel() - 1));
    bound.gamma = sorted[at].item<double>();
  }
  return bound;
}

void step_drs(Chains& chains, int64_t step, const Bound& bound, const Target& target, const tensor::Noise& noise) {
  at::Tensor& done = chains.extra.at(taken);
  // The start of a chain is its first candidate.
  const bool first = step == 0;
  const at::Tensor z = first ? chains.z : normal_of(chains, noise, step, Stream::proposal);
  const Evaluation there = first ? chains.now : target.evaluate(z, chains.labels);
  const at::Tensor f = score(there.log_ratio, bound);
  const at::Tensor probability = at::where(at::isfinite(there.log_ratio), f.sigmoid(), at::zeros_like(f));
  const at::Tensor open = done == 0;
  const at::Tensor accepted = open.logical_and(uniform_of(chains, noise, step, Stream::accept) < probability);
  const at::Tensor better = open.logical_and(there.log_ratio > chains.now.log_ratio);
  move_where(accepted.logical_or(better), z, there, chains);
  done = done.logical_or(accepted).to(at::kByte);
  chains.rates["acceptance"] = probability;
}

void bind_drs(config::Section& s, DrsOptions& o) {
  s.value("steps", &o.steps, "candidates per sample at most; the best is kept where none is accepted",
          config::at_least(1));
  s.value("pilots", &o.pilots, "prior draws from which the bound of the ratio is taken", config::at_least(2));
  s.value("percentile", &o.percentile, "gamma is this percentile of F over the pilots; 0: gamma 0, unbiased",
          config::at_least_below(0, 100));
}

Method drs(const DrsOptions& config, const Target& target, const tensor::Noise& noise, const WarmUp& warm_up) {
  const Bound bound = bound_of(config, target, noise, warm_up);
  return {.name = "drs",
          .steps = config.steps,
          .cost = {.gradients = 0, .ratios = 1},
          .rates = {"acceptance"},
          .step_size = [](int64_t) { return 0.0; },
          .start =
              [](Chains& chains, int64_t) {
                chains.extra[taken] = at::zeros({chains.z.size(0)}, chains.z.options().dtype(at::kByte));
              },
          .advance = [=](Chains& chains, int64_t step) { step_drs(chains, step, bound, target, noise); }};
}

}  // namespace

// Not exact: the bound is that of pilots, and a chain that no candidate of its steps has satisfied ends with the best.
Sampler drs_sampler() {
  return described<DrsOptions>(
      {.name = "drs",
       .title = "DRS",
       .summary = "discriminator rejection sampling",
       .colour = 6,
       .keys = bind_drs,
       .needs_gradient = false,
       .has_warm_up = true,
       .make = [](const DrsOptions& o, const SamplerContext& c) { return drs(o, c.target, c.noise, c.warm_up); },
       .rates = {acceptance_rate()}});
}

}  // namespace ddls::sampling
