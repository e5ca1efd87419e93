// i-SIR (Andrieu, Lee & Vihola 2018): of the state and N - 1 prior draws, number i becomes the state with probability
// w_i / sum w, w = e^r. Exact for every N: the weights of prior draws need no normalisation and no bound.
//
// With a pool of P prior draws, evaluated once and shared by all chains and ranks, proposals are picked from the pool, and a
// step decodes nothing. The law is then that of the weighted pool, sum_j w_j delta(z_j) / sum w: what differs from p0 e^r is
// the error of an importance sample of P, and two chains may end at the same draw.
#include <ATen/ATen.h>

#include "base/error.hpp"
#include "ddls/entry.hpp"
#include "ddls/pilot_ratios.hpp"
#include "ddls/weighted_choice.hpp"

namespace ddls {
namespace {

struct IsirOptions {
  int64_t steps = 30;
  int64_t proposals = 10;  // N, with the state
  int64_t pool = 0;        // prior draws that all chains share; 0: fresh ones
};

struct Pool {
  at::Tensor z;             // [P, k], by label
  at::Tensor log_ratio;     // [P] float32
  at::Tensor begin, count;  // [labels] int64: where a label's draws lie; undefined: unconditional
};

// Chains take draws of their own label.
Pool pool_of(int64_t draws, const Target& target, const Noise& noise, const WarmUp& warm_up) {
  const at::Tensor r = pilot_ratios(draws, target, noise, warm_up);
  Pool pool{pilot_latents(draws, target, noise), r.to(at::kFloat).to(target.device), {}, {}};
  if (!target.labels_of) return pool;
  const at::Tensor labels = target.labels_of({0, draws}).cpu(), order = labels.argsort(/*stable=*/true, 0, false);
  pool.z = pool.z.index_select(0, order.to(target.device));
  pool.log_ratio = pool.log_ratio.index_select(0, order.to(target.device));
  pool.count = labels.bincount().to(target.device);
  pool.begin = pool.count.cumsum(0) - pool.count;
  return pool;
}

void check_labels(const Pool& pool, const Chains& chains) {
  if (!pool.count.defined()) return;
  if (chains.labels.max().item<int64_t>() >= pool.count.size(0) ||
      pool.count.index_select(0, chains.labels).min().item<int64_t>() == 0)
    fail(Exit::config, "sample.isir.pool: {} draws are too few, some class has none", pool.z.size(0));
}

Candidates pick(const Pool& pool, const Chains& chains, int64_t draw, const Noise& noise) {
  const at::Tensor u = uniform_of(chains, noise, draw, Stream::proposal).to(at::kDouble);
  at::Tensor row;
  if (pool.count.defined()) {
    row = pool.begin.index_select(0, chains.labels) +
          (u * pool.count.index_select(0, chains.labels)).floor().to(at::kLong);
  } else {
    row = (u * static_cast<double>(pool.z.size(0))).floor().to(at::kLong);
  }
  const at::Tensor z = pool.z.index_select(0, row);
  return {z, {-0.5 * z.square().sum(1), pool.log_ratio.index_select(0, row), at::zeros_like(z)}};
}

Candidates fresh(const Chains& chains, int64_t draw, const Target& target, const Noise& noise) {
  const at::Tensor z = normal_of(chains, noise, draw, Stream::proposal);
  return {z, target.evaluate(z, chains.labels)};
}

void bind_isir(Section& s, IsirOptions& o) {
  s.value("steps", &o.steps, "steps", at_least(0));
  s.value("proposals", &o.proposals, "candidates of a step: the state and prior draws", at_least(2));
  s.value("pool", &o.pool,
          "prior draws evaluated once, from which all chains pick: then a step decodes nothing, and the law is that of "
          "the weighted pool; 0: fresh draws, exact",
          at_least(0));
}

Method isir(const IsirOptions& o, const Target& target, const Noise& noise, const WarmUp& warm_up) {
  Pool pool;
  if (o.pool > 0) pool = pool_of(o.pool, target, noise, warm_up);
  const auto advance = [=](Chains& chains, int64_t step) {
    WeightedChoice choice(chains.now.log_ratio);
    for (int64_t j = 0; j + 1 < o.proposals; ++j) {
      const int64_t draw = step * (o.proposals - 1) + j;
      const Candidates next = o.pool > 0 ? pick(pool, chains, draw, noise) : fresh(chains, draw, target, noise);
      move_where(choice.takes(next.there.log_ratio, uniform_of(chains, noise, draw, Stream::choice)), next.z,
                 next.there, chains);
    }
    chains.rates["acceptance"] = choice.left();
  };
  Method method{.steps = o.steps,
                .cost = {.gradients = 0, .ratios = o.pool > 0 ? 0 : static_cast<double>(o.proposals - 1)},
                .rates = {"acceptance"},
                .step_size = [](int64_t) { return 0.0; },
                .advance = advance};
  if (o.pool > 0) {
    method.warm_up = prior_weights(finite_ratios(pool.log_ratio.to(at::kDouble).cpu(), "isir"));
    method.start = [=](Chains& chains, int64_t) { check_labels(pool, chains); };
  }
  return method;
}

}  // namespace

Sampler isir_sampler() {
  return described<IsirOptions>(
      {.name = "isir",
       .title = "i-SIR",
       .summary = "iterated importance resampling of prior draws",
       .keys = bind_isir,
       .needs_gradient = false,
       .has_warm_up = [](const IsirOptions& o) { return o.pool > 0; },
       .exact = [](const IsirOptions& o) { return o.pool == 0; },
       .make = [](const IsirOptions& o, const SamplerContext& c) { return isir(o, c.target, c.noise, c.warm_up); },
       .rates = {acceptance_rate()}});
}

}  // namespace ddls
