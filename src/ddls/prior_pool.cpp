#include "ddls/prior_pool.hpp"

#include <ATen/ATen.h>

#include "base/error.hpp"
#include "ddls/pilot_ratios.hpp"

namespace ddls::sampling {
namespace {

// Of each label's draws, float64; draws whose ratio is not finite have no weight.
at::Tensor cumulative_weights(const at::Tensor& log_ratio, const at::Tensor& count) {
  const at::Tensor r = at::where(at::isfinite(log_ratio), log_ratio, at::full_like(log_ratio, -INFINITY));
  const std::vector<int64_t> counts =
      count.defined() ? std::vector<int64_t>(count.data_ptr<int64_t>(), count.data_ptr<int64_t>() + count.numel())
                      : std::vector<int64_t>{log_ratio.numel()};
  std::vector<at::Tensor> parts;
  int64_t begin = 0;
  for (size_t label = 0; label < counts.size(); ++label) {
    if (counts[label] == 0) continue;
    const at::Tensor sums = at::softmax(r.narrow(0, begin, counts[label]), 0).cumsum(0);
    parts.push_back(sums / sums[-1] + static_cast<double>(label));
    begin += counts[label];
  }
  return at::cat(parts);
}

}  // namespace

at::Tensor PriorPool::any(const at::Tensor& labels, const at::Tensor& u) const {
  if (!count.defined()) return (u * static_cast<double>(z.size(0))).floor().to(at::kLong);
  return begin.index_select(0, labels) + (u * count.index_select(0, labels)).floor().to(at::kLong);
}

at::Tensor PriorPool::weighted(const at::Tensor& labels, const at::Tensor& u) const {
  const at::Tensor place = count.defined() ? u + labels.to(at::kDouble) : u;
  return at::searchsorted(cumulative, place).clamp_max(z.size(0) - 1);
}

void PriorPool::check(const at::Tensor& labels, const char* key) const {
  if (!count.defined()) return;
  if (labels.max().item<int64_t>() >= count.size(0) || count.index_select(0, labels).min().item<int64_t>() == 0)
    fail(Exit::config, "{}: {} draws are too few, some class has none", key, z.size(0));
}

PriorPool prior_pool(int64_t draws, const Target& target, const tensor::Noise& noise, const WarmUp& warm_up,
                     const char* who) {
  const at::Tensor r = pilot_ratios(draws, target, noise, warm_up);
  PriorPool pool{pilot_latents(draws, target, noise),
                 r.to(at::kFloat),
                 {},
                 {},
                 {},
                 prior_weights(finite_ratios(r.to(at::kFloat).to(at::kDouble), who))};
  at::Tensor counts;
  if (target.labels_of) {
    const at::Tensor labels = target.labels_of({0, draws}).cpu(), order = labels.argsort(/*stable=*/true, 0, false);
    pool.z = pool.z.index_select(0, order.to(target.device));
    pool.log_ratio = pool.log_ratio.index_select(0, order);
    counts = labels.bincount();
    pool.count = counts.to(target.device);
    pool.begin = pool.count.cumsum(0) - pool.count;
  }
  pool.cumulative = cumulative_weights(pool.log_ratio.to(at::kDouble), counts).to(target.device);
  pool.log_ratio = pool.log_ratio.to(target.device);
  return pool;
}

Method started_from(PriorPool pool, Method method, const Target& target, const tensor::Noise& noise) {
  method.warm_up["start_ess_fraction"] = pool.weights.at("ess_fraction");
  method.start = [pool = std::move(pool), target, noise, then = method.start](Chains& chains, int64_t draw) {
    pool.check(chains.labels, "sample.start_pool");
    const at::Tensor u = uniform_of(chains, noise, draw, Stream::pool_start).to(at::kDouble);
    chains.z = pool.z.index_select(0, pool.weighted(chains.labels, u));
    chains.now = target.evaluate(chains.z, chains.labels);
    if (then) then(chains, draw);
  };
  return method;
}

}  // namespace ddls::sampling
