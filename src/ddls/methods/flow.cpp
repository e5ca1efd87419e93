// Amortised proposals (after Wu et al., NeurIPS 2022, and Venkatraman et al., ICML 2025, whose samplers are not
// corrected): a RealNVP fitted to p0 e^r in the warm-up, then i-SIR (Andrieu, Lee & Vihola 2018) or independence
// Metropolis-Hastings with its draws and the weights w = p0 e^r / q. Exact whatever the fit has come to:
// flow_proposal.hpp.
#include <ATen/ATen.h>

#include "base/log.hpp"
#include "ddls/entry.hpp"
#include "ddls/flow_proposal.hpp"
#include "ddls/weighted_choice.hpp"

namespace ddls::sampling {
namespace {

struct FlowOptions {
  int64_t steps = 10;
  int64_t proposals = 4;        // of a step: i-SIR with the state, Metropolis-Hastings one after another
  std::string kernel = "isir";  // isir | metropolis
  std::string fit = "reverse";  // reverse | forward | both
  int64_t warmup = 300;         // updates of the fit
  int64_t batch = 256;          // draws per update
  double lr = 2e-3;
  int64_t couplings = 6, width = 64;
  int64_t pilots = 10'000;
  double defensive = 0.1;
};

// [n] log(p0 / q) at z; float32, in which it is a function of z as good as any.
constexpr const char* log_over = "log_prior_over_proposal";

void bind_flow(config::Section& s, FlowOptions& o) {
  s.value("steps", &o.steps, "steps", config::at_least(0));
  s.value(
      "proposals", &o.proposals,
      "candidates of a step: the state and draws of the flow (isir), or so many draws one after another (metropolis)",
      config::at_least(2));
  s.value("kernel", &o.kernel, "what corrects the flow: i-SIR, or independence Metropolis-Hastings",
          config::one_of({"isir", "metropolis"}));
  s.value("fit", &o.fit,
          "reverse: KL(flow || target), which needs the ratio's gradient; forward: KL(target || flow) over pilots "
          "resampled by their weights; both: the sum",
          config::one_of({"reverse", "forward", "both"}));
  s.value("warmup", &o.warmup, "updates of the fit", config::at_least(1));
  s.value("batch", &o.batch, "draws per update", config::at_least(1));
  s.value("lr", &o.lr, "learning rate, falling to 0 as half a cosine", config::above(0));
  s.value("couplings", &o.couplings, "affine couplings of the flow", config::at_least(1));
  s.value("width", &o.width, "of the two hidden layers of a coupling", config::at_least(1));
  s.value("pilots", &o.pilots, "prior draws: the data of the forward fit, and what the flow is compared with",
          config::at_least(2));
  s.value("defensive", &o.defensive, "share of prior draws among the proposals, which bounds the weights",
          config::inside(0, 1));
}

FittedFlow fitted(const FlowOptions& o, const SamplerContext& c) {
  const FlowPlan plan{.couplings = o.couplings,
                      .width = o.width,
                      .updates = o.warmup,
                      .batch = o.batch,
                      .lr = o.lr,
                      .reverse = o.fit != "forward",
                      .forward = o.fit != "reverse",
                      .pilots = o.pilots,
                      .defensive = o.defensive};
  const Target& target = c.warm_up.with_gradient != nullptr ? *c.warm_up.with_gradient : c.target;
  FittedFlow found = fit_flow(plan, target, c.noise, c.warm_up);
  if (c.warm_up.rank == 0) {
    log::info("flow: effective share of its draws {:.3g}, of prior draws {:.3g}", found.ess, found.prior_ess);
    if (found.ess < found.prior_ess)
      log::warning(
          "flow: its draws are worth less than the prior's; isir is as exact and costs no fit (more updates "
          "sample.flow.warmup, or another sample.flow.fit, may help)");
  }
  return found;
}

// The chains' log(p0 / q) moves with them.
void move_flow_where(const at::Tensor& mask, const at::Tensor& z, const Evaluation& there, const at::Tensor& over,
                     Chains& chains) {
  move_where(mask, z, there, chains);
  chains.extra[log_over] = at::where(mask, over, chains.extra.at(log_over));
}

Method flow(const FlowOptions& o, const SamplerContext& c) {
  const FittedFlow found = fitted(o, c);
  const bool isir = o.kernel == "isir";
  const int64_t draws = isir ? o.proposals - 1 : o.proposals;
  const auto over_of = [q = found.proposal](const at::Tensor& z, const at::Tensor& labels) {
    return q.log_prior_over_proposal(z, labels).to(at::kFloat);
  };
  const auto advance = [=, q = found.proposal, target = c.target, noise = c.noise](Chains& chains, int64_t step) {
    const auto weight = [&] { return chains.now.log_ratio.to(at::kDouble) + chains.extra.at(log_over); };
    WeightedChoice choice(weight());
    at::Tensor total;
    for (int64_t j = 0; j < draws; ++j) {
      const int64_t draw = step * draws + j;
      const at::Tensor z = q.draw(normal_of(chains, noise, draw, Stream::proposal),
                                  uniform_of(chains, noise, draw, Stream::jitter), chains.labels);
      const Evaluation there = target.evaluate(z, chains.labels);
      const at::Tensor over = over_of(z, chains.labels), u = uniform_of(chains, noise, draw, Stream::choice);
      const at::Tensor log_w = there.log_ratio.to(at::kDouble) + over;
      if (isir) {
        move_flow_where(choice.takes(log_w, u), z, there, over, chains);
        continue;
      }
      const at::Tensor acceptance = acceptance_of(log_w - weight());
      move_flow_where(u < acceptance, z, there, over, chains);
      total = total.defined() ? total + acceptance : acceptance;
    }
    chains.rates["acceptance"] = isir ? choice.left() : total / static_cast<double>(draws);
  };
  return {.steps = o.steps,
          .cost = {.gradients = 0, .ratios = static_cast<double>(draws)},
          .rates = {"acceptance"},
          .warm_up = {{"ess_fraction", found.ess}, {"prior_ess_fraction", found.prior_ess}, {"log_z", found.log_z}},
          .step_size = [](int64_t) { return 0.0; },
          .start = [=](Chains& chains, int64_t) { chains.extra[log_over] = over_of(chains.z, chains.labels); },
          .advance = advance};
}

}  // namespace

Sampler flow_sampler() {
  return described<FlowOptions>({.name = "flow",
                                 .title = "flow",
                                 .summary = "draws of a flow fitted to the target, corrected to be exact",
                                 .keys = bind_flow,
                                 .needs_gradient = false,  // its chains; the reverse fit takes WarmUp::with_gradient
                                 .has_warm_up = true,
                                 .exact = true,
                                 .make = flow,
                                 .rates = {acceptance_rate()}});
}

}  // namespace ddls::sampling
