#include "ddls/candidates.hpp"

#include <ATen/ATen.h>

#include <cmath>

namespace ddls::sampling {
namespace {

constexpr const char* waiting = "waiting";    // [n] uint8: nothing is accepted yet
constexpr const char* offered = "offered";    // [n] int32: candidates so far
constexpr const char* above = "above";        // [n] uint8: what was accepted has a ratio above the bound
constexpr const char* log_odds = "log_odds";  // [n] float64: of the sum of a / (1 - a) over rejected candidates
constexpr double no_candidate = -1e300;       // finite: what is not finite is a lost chain

// n, n/2, n/4, ...: the smallest that holds `count`.
int64_t batch_for(int64_t count, int64_t n) {
  int64_t size = n;
  while ((size + 1) / 2 >= count && size > 1) size = (size + 1) / 2;
  return size;
}

Candidates offer_to(const Chains& chains, int64_t step, const at::Tensor& open, const Target& target,
                    const tensor::Noise& noise) {
  if (step == 0) return {chains.z, chains.now};  // the start of a chain is its first candidate
  const at::Tensor rows = open.nonzero().flatten();
  const at::Tensor padded = padded_rows(rows, batch_for(rows.numel(), open.size(0)));
  const at::Tensor z = normal_of(chains, noise, step, Stream::proposal).index_select(0, padded);
  return evaluate_rows(chains, rows, padded, z, target);
}

void set_rates(Chains& chains, const at::Tensor& evaluated, bool reports_bound) {
  chains.rates[evaluations_rate] = evaluated.to(at::kDouble);
  chains.rates["proposals"] = chains.extra.at(offered).to(at::kDouble);
  chains.rates["ran_out"] = chains.extra.at(waiting).to(at::kDouble);
  if (reports_bound) chains.rates["above_bound"] = chains.extra.at(above).to(at::kDouble);
}

void step_candidates(Chains& chains, int64_t step, const CandidatePlan& plan, const Target& target,
                     const tensor::Noise& noise) {
  const at::Tensor open = chains.extra.at(waiting) != 0;
  // The start of a chain is its first candidate, and is evaluated already.
  const at::Tensor evaluated = step == 0 ? at::zeros_like(open) : open;
  if (!open.any().item<bool>()) return set_rates(chains, evaluated, plan.reports_bound);
  const auto [z, there] = offer_to(chains, step, open, target, noise);
  const at::Tensor r = there.log_ratio.to(at::kDouble);
  const at::Tensor never = at::full_like(r, -INFINITY);
  const at::Tensor log_a = at::where(at::isfinite(r), plan.log_acceptance(r), never);
  const at::Tensor accepted = open.logical_and(uniform_of(chains, noise, step, Stream::accept) < log_a.exp());
  // Weighted choice as the candidates come: the newest is taken with its share of all odds so far.
  const at::Tensor odds = (log_a - at::log(-at::expm1(log_a))).clamp_max(-no_candidate);
  at::Tensor& total = chains.extra.at(log_odds);
  const at::Tensor sum = at::logaddexp(total, odds);
  const at::Tensor taken =
      open.logical_and(uniform_of(chains, noise, step, Stream::choice) < (odds - sum).exp()).logical_or(accepted);
  total = at::where(open, sum, total);
  move_where(taken, z, there, chains);
  chains.extra[offered] = chains.extra.at(offered) + open.to(at::kInt);
  chains.extra[above] = at::where(accepted, (r > plan.bound).to(at::kByte), chains.extra.at(above));
  chains.extra[waiting] = open.logical_and(accepted.logical_not()).to(at::kByte);
  set_rates(chains, evaluated, plan.reports_bound);
}

void start_candidates(Chains& chains) {
  const auto filled = [&](double value, at::ScalarType type) {
    return at::full({chains.z.size(0)}, value, chains.z.options().dtype(type));
  };
  chains.extra[waiting] = filled(1, at::kByte);
  chains.extra[offered] = filled(0, at::kInt);
  chains.extra[above] = filled(0, at::kByte);
  chains.extra[log_odds] = filled(no_candidate, at::kDouble);
}

}  // namespace

Method candidates(const CandidatePlan& plan, const Target& target, const tensor::Noise& noise) {
  Method method{.steps = plan.steps,
                .cost = {.gradients = 0, .ratios = 0, .counted = true},
                .rates = {evaluations_rate, "proposals", "ran_out"},
                .step_size = [](int64_t) { return 0.0; },
                .start = [](Chains& chains, int64_t) { start_candidates(chains); },
                .advance = [=](Chains& chains, int64_t step) { step_candidates(chains, step, plan, target, noise); }};
  if (plan.reports_bound) method.rates.emplace_back("above_bound");
  method.last_rates.assign(method.rates.begin() + 1, method.rates.end());
  return method;
}

Rate proposals_rate() { return {"proposals", "proposals", "per sample", "proposals made"}; }
Rate ran_out_rate() { return {"ran_out", "ran out", "share", "chains that have accepted nothing"}; }
Rate above_bound_rate() { return {"above_bound", "above the bound", "share", "samples above the bound"}; }

}  // namespace ddls::sampling
