// Optimal budgeted rejection sampling: obrs.hpp. `proposals: 1` is the generator, M / E[w] and more is exact rejection
// with the bound M of the pilots, and between them c is what the budget leaves.
#include "ddls/methods/obrs.hpp"

#include <ATen/ATen.h>

#include <cmath>

#include "ddls/candidates.hpp"
#include "ddls/entry.hpp"
#include "ddls/pilot_ratios.hpp"

namespace ddls::sampling {
namespace {

struct ObrsOptions {
  double proposals = 5;     // K
  int64_t steps = 1000;     // proposals per sample at most
  int64_t pilots = 10'000;  // prior draws
};

void bind_obrs(config::Section& s, ObrsOptions& o) {
  s.value("proposals", &o.proposals, "K: proposals per sample on average; 1: the generator", config::at_least(1));
  s.value("steps", &o.steps, "proposals per sample at most", config::at_least(1));
  s.value("pilots", &o.pilots, "prior draws from which the acceptance is taken", config::at_least(2));
}

// log(c / M) of sum min(1, c w_i / M) = budget < n. With w sorted downwards and the first j accepted always,
// j + (c / M) (w_{j+1} + ... + w_n) = budget; the smallest j for which w_{j+1} is not above 1 is the solution.
double solved_log_scale(const at::Tensor& log_w, double budget) {
  const at::Tensor w = std::get<0>((log_w - log_w.max()).sort(0, /*descending=*/true)).exp();
  const at::Tensor rest = w.flip(0).cumsum(0).flip(0);  // w_{j+1} + ... + w_n at row j
  const at::Tensor left = budget - at::arange(w.numel(), at::kDouble);
  const at::Tensor scale = left / rest;
  // For left <= 0 more are accepted than the budget has; the row before was a solution.
  const at::Tensor holds = (scale * w <= 1 + 1e-12).logical_and(left > 0);
  const at::Tensor first = holds.to(at::kByte).argmax(0);
  return std::log(scale[first.item<int64_t>()].item<double>()) - log_w.max().item<double>();
}

Method obrs(const ObrsOptions& o, const Target& target, const tensor::Noise& noise, const WarmUp& warm_up) {
  const at::Tensor r = finite_ratios(pilot_ratios(o.pilots, target, noise, warm_up), "obrs");
  const BudgetedAcceptance a = budgeted_acceptance(r, o.proposals);
  const auto log_acceptance = [scale = a.log_scale](const at::Tensor& x) {
    return std::isinf(scale) ? at::zeros_like(x) : (x + scale).clamp_max(0);
  };
  Method method =
      candidates({.steps = o.steps, .log_acceptance = log_acceptance, .reports_bound = false}, target, noise);
  method.warm_up = prior_weights(r);
  method.warm_up.insert(
      {{"log_bound", r.max().item<double>()}, {"expected_acceptance", a.acceptance}, {"kl_to_target", a.kl}});
  return method;
}

}  // namespace

BudgetedAcceptance budgeted_acceptance(const at::Tensor& log_ratio, double proposals) {
  const auto n = static_cast<double>(log_ratio.numel());
  const double largest = log_ratio.max().item<double>(), log_mean = log_mean_exp(log_ratio);
  const bool all = proposals <= 1;
  BudgetedAcceptance found;
  // With more proposals than exact rejection needs the solution has c < 1.
  found.log_scale = all ? INFINITY : std::max(-largest, solved_log_scale(log_ratio, n / proposals));
  const at::Tensor log_a = all ? at::zeros_like(log_ratio) : (log_ratio + found.log_scale).clamp_max(0);
  found.acceptance = log_a.exp().mean().item<double>();
  // E_target of log(w / E w) - log(a / E a).
  const at::Tensor weight = (log_ratio - log_ratio.logsumexp(0)).exp();
  const at::Tensor gap = log_ratio - log_mean - log_a + std::log(found.acceptance);
  found.kl = std::max(0.0, (weight * gap).sum().item<double>());
  return found;
}

// Not exact: its law is p0 a, which is p0 e^r only at its exact end, up to the bound.
Sampler obrs_sampler() {
  return described<ObrsOptions>(
      {.name = "obrs",
       .title = "OBRS",
       .summary = "optimal budgeted rejection: the best for so many proposals per sample",
       .keys = bind_obrs,
       .needs_gradient = false,
       .has_warm_up = true,
       .make = [](const ObrsOptions& o, const SamplerContext& c) { return obrs(o, c.target, c.noise, c.warm_up); },
       .rates = {evaluations_of_step(), proposals_rate(), ran_out_rate()}});
}

}  // namespace ddls::sampling
