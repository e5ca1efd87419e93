#include "ddls/candidates.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "ddls/open_chains.hpp"

namespace ddls::sampling {
namespace {

constexpr const char* waiting = "waiting";    // [n] uint8: nothing is accepted yet
constexpr const char* offered = "offered";    // [n] int32: candidates so far
constexpr const char* above = "above";        // [n] uint8: what was accepted has a ratio above the bound
constexpr const char* log_odds = "log_odds";  // [n] float64: of the sum of a / (1 - a) over rejected candidates
constexpr const char* late =
    "block_waiting";                     // [n, lag] int64, on a GPU: how many of the block waited before the last steps
constexpr double no_candidate = -1e300;  // finite: what is not finite is a lost chain

// n, n/2, n/4, ...: the smallest that holds `count`.
int64_t batch_for(int64_t count, int64_t n) {
  int64_t size = n;
  while ((size + 1) / 2 >= count && size > 1) size = (size + 1) / 2;
  return size;
}

Candidates offer_to(const Chains& chains, int64_t step, const OpenChains::Rows& rows, const Target& target,
                    const tensor::Noise& noise) {
  if (step == 0) return {chains.z, chains.now};  // the start of a chain is its first candidate
  const at::Tensor z = normal_of(chains, noise, step, Stream::proposal).index_select(0, rows.padded);
  return evaluate_rows(chains, rows.wanted, rows.padded, z, target);
}

// Of those that wait, the ones in the batch: on a GPU a chain that was lost and started anew may have no place yet.
at::Tensor asked_of(const at::Tensor& open, const OpenChains::Rows& rows) {
  if (open.is_cpu()) return open;
  return open.logical_and(at::zeros_like(open).index_fill(0, rows.padded, true));
}

// What the host remembers from step to step of one block; the chains carry it too, for who goes on from a saved state.
struct Remembered {
  OpenChains waiting;
  int64_t first_id = -1, next_step = -1;

  void go_on(const Chains& chains, int64_t step) {
    if (chains.z.is_cpu()) return;
    if (step == 0) {
      waiting.start_after({});
    } else if (first_id != chains.ids.begin || next_step != step) {
      const at::Tensor counts = chains.extra.at(late).select(0, 0).cpu();
      const auto* const first = counts.data_ptr<int64_t>();
      waiting.start_after({first + std::max<int64_t>(0, OpenChains::lag - step), first + OpenChains::lag});
    }
    first_id = chains.ids.begin;
    next_step = step + 1;
  }

  void write_to(Chains& chains) const {
    if (chains.z.is_cpu()) return;
    at::Tensor& counts = chains.extra.at(late);
    counts = at::cat({counts.slice(1, 1), waiting.last_count().view({1, 1}).expand({counts.size(0), 1})}, 1);
  }
};

void set_rates(Chains& chains, const at::Tensor& evaluated, bool reports_bound) {
  chains.rates[evaluations_rate] = evaluated.to(at::kDouble);
  chains.rates["proposals"] = chains.extra.at(offered).to(at::kDouble);
  chains.rates["ran_out"] = chains.extra.at(waiting).to(at::kDouble);
  if (reports_bound) chains.rates["above_bound"] = chains.extra.at(above).to(at::kDouble);
}

void step_candidates(Chains& chains, int64_t step, const CandidatePlan& plan, const Target& target,
                     const tensor::Noise& noise, Remembered& remembered) {
  const at::Tensor all_open = chains.extra.at(waiting) != 0;
  remembered.go_on(chains, step);
  const auto rows =
      remembered.waiting.next(all_open, [n = all_open.size(0)](int64_t count) { return batch_for(count, n); });
  remembered.write_to(chains);
  if (!rows) return set_rates(chains, at::zeros_like(all_open), plan.reports_bound);
  const at::Tensor open = asked_of(all_open, *rows);
  // The start of a chain is its first candidate, and is evaluated already.
  const at::Tensor evaluated = step == 0 ? at::zeros_like(open) : open;
  const auto [z, there] = offer_to(chains, step, *rows, target, noise);
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
  chains.extra[waiting] = all_open.logical_and(accepted.logical_not()).to(at::kByte);
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
  if (!chains.z.is_cpu())
    chains.extra[late] = at::full({chains.z.size(0), OpenChains::lag}, chains.z.size(0),
                                  chains.extra[offered].options().dtype(at::kLong));
}

}  // namespace

Method candidates(const CandidatePlan& plan, const Target& target, const tensor::Noise& noise) {
  Method method{.steps = plan.steps,
                .cost = {.gradients = 0, .ratios = 0, .counted = true},
                .rates = {evaluations_rate, "proposals", "ran_out"},
                .step_size = [](int64_t) { return 0.0; },
                .start = [](Chains& chains, int64_t) { start_candidates(chains); },
                .advance = [=, remembered = std::make_shared<Remembered>()](
                               Chains& chains,
                               int64_t step) { step_candidates(chains, step, plan, target, noise, *remembered); }};
  if (plan.reports_bound) method.rates.emplace_back("above_bound");
  method.last_rates.assign(method.rates.begin() + 1, method.rates.end());
  return method;
}

Rate proposals_rate() { return {"proposals", "proposals", "per sample", "proposals made"}; }
Rate ran_out_rate() { return {"ran_out", "ran out", "share", "chains that have accepted nothing"}; }
Rate above_bound_rate() { return {"above_bound", "above the bound", "share", "samples above the bound"}; }

}  // namespace ddls::sampling
