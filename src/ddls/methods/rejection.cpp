// Rejection sampling (von Neumann 1951) of p0 e^r: prior draws are accepted with probability e^r / M. M is the largest
// e^r of pilots times e^margin, shared by the ranks and fixed, so that samples are independent draws. What a bound that
// is no bound and an end of the budget cost is counted: `above_bound` and `ran_out` (candidates.hpp).
#include <ATen/ATen.h>

#include <cmath>

#include "base/log.hpp"
#include "ddls/candidates.hpp"
#include "ddls/entry.hpp"
#include "ddls/pilot_ratios.hpp"

namespace ddls::sampling {
namespace {

struct RejectionOptions {
  int64_t budget = 1000;    // proposals per sample at most
  int64_t pilots = 10'000;  // prior draws from which the bound is taken
  double margin = 0;        // nats above their largest ratio
};

void bind_rejection(config::Section& s, RejectionOptions& o) {
  s.value("budget", &o.budget,
          "proposals per sample at most; where none is accepted one of them is drawn by its weight",
          config::at_least(1));
  s.value("pilots", &o.pilots, "prior draws from which the bound of the ratio is taken", config::at_least(2));
  s.value("margin", &o.margin, "nats by which the bound is above their largest ratio", config::at_least(0));
}

Method rejection(const RejectionOptions& o, const Target& target, const tensor::Noise& noise, const WarmUp& warm_up) {
  const at::Tensor r = finite_ratios(pilot_ratios(o.pilots, target, noise, warm_up), "rejection");
  const double bound = r.max().item<double>() + o.margin, expected = std::exp(log_mean_exp(r) - bound);
  if (warm_up.rank == 0 && expected * static_cast<double>(o.budget) < 4.6)  // e^-4.6 = 1 %
    log::warning(
        "rejection: {:.3g} of the proposals are accepted; more than one chain in a hundred may end its budget of {} "
        "without a sample (sample.rejection.budget)",
        expected, o.budget);
  Method method = candidates({.steps = o.budget,
                              .log_acceptance = [bound](const at::Tensor& x) { return (x - bound).clamp_max(0); },
                              .bound = bound},
                             target, noise);
  method.warm_up = prior_weights(r);
  method.warm_up.insert({{"log_bound", bound}, {"expected_acceptance", expected}});
  return method;
}

}  // namespace

// Not exact: the bound is that of pilots, and a chain may run out.
Sampler rejection_sampler() {
  return described<RejectionOptions>(
      {.name = "rejection",
       .title = "rejection",
       .summary = "rejection sampling with the bound of pilots, up to a budget",
       .keys = bind_rejection,
       .needs_gradient = false,
       .has_warm_up = true,
       .make = [](const RejectionOptions& o,
                  const SamplerContext& c) { return rejection(o, c.target, c.noise, c.warm_up); },
       .rates = {evaluations_of_step(), proposals_rate(), ran_out_rate(), above_bound_rate()}});
}

}  // namespace ddls::sampling
