// i-SIR (Andrieu, Lee & Vihola 2018): of the state and N - 1 prior draws, number i becomes the state with probability
// w_i / sum w, w = e^r. Exact for every N: the weights of prior draws need no normalisation and no bound.
//
// With a pool of P prior draws, evaluated once and shared by all chains and ranks, proposals are picked from the pool,
// and a step decodes nothing. The law is then that of the weighted pool, sum_j w_j delta(z_j) / sum w: what differs
// from p0 e^r is the error of an importance sample of P, and two chains may end at the same draw.
#include <ATen/ATen.h>

#include "ddls/entry.hpp"
#include "ddls/prior_pool.hpp"
#include "ddls/weighted_choice.hpp"

namespace ddls::sampling {
namespace {

struct IsirOptions {
  int64_t steps = 30;
  int64_t proposals = 10;  // N, with the state
  int64_t pool = 0;        // prior draws that all chains share; 0: fresh ones
};

Candidates pick(const PriorPool& pool, const Chains& chains, int64_t draw, const tensor::Noise& noise) {
  const at::Tensor row = pool.any(chains.labels, uniform_of(chains, noise, draw, Stream::proposal).to(at::kDouble));
  const at::Tensor z = pool.z.index_select(0, row);
  return {z, {-0.5 * z.square().sum(1), pool.log_ratio.index_select(0, row), at::zeros_like(z)}};
}

Candidates fresh(const Chains& chains, int64_t draw, const Target& target, const tensor::Noise& noise) {
  const at::Tensor z = normal_of(chains, noise, draw, Stream::proposal);
  return {z, target.evaluate(z, chains.labels)};
}

void bind_isir(config::Section& s, IsirOptions& o) {
  s.value("steps", &o.steps, "steps", config::at_least(0));
  s.value("proposals", &o.proposals, "candidates of a step: the state and prior draws", config::at_least(2));
  s.value("pool", &o.pool,
          "prior draws evaluated once, from which all chains pick: then a step decodes nothing, and the law is that of "
          "the weighted pool; 0: fresh draws, exact",
          config::at_least(0));
}

Method isir(const IsirOptions& o, const Target& target, const tensor::Noise& noise, const WarmUp& warm_up) {
  PriorPool pool;
  if (o.pool > 0) pool = prior_pool(o.pool, target, noise, warm_up, "isir");
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
    method.warm_up = pool.weights;
    method.start = [=](Chains& chains, int64_t) { pool.check(chains.labels, "sample.isir.pool"); };
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

}  // namespace ddls::sampling
