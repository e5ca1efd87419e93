#include "ddls/prior_pool.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numbers>

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

// [n] float64 on the CPU: of the k-th chain of a label, frac(shift + k / phi).
at::Tensor even_places(const Chains& chains, const Target& target, const tensor::Noise& noise, int64_t draw) {
  constexpr double step = 1 / std::numbers::phi;
  constexpr double end = 1 - 1e-9;  // label + place stays below label + 1
  const at::Tensor labels = target.labels_of ? target.labels_of({0, chains.ids.end}).cpu().contiguous() : at::Tensor();
  const int64_t* const of = labels.defined() ? labels.data_ptr<int64_t>() : nullptr;
  struct Label {
    int64_t chains = 0;  // so far
    double shift = -1;
  };
  std::map<int64_t, Label> of_label;
  if (of == nullptr) of_label[0].chains = chains.ids.begin;
  for (int64_t id = 0; of != nullptr && id < chains.ids.begin; ++id) ++of_label[of[id]].chains;
  const at::Tensor places = at::empty({chains.ids.size()}, at::kDouble);
  auto* out = places.data_ptr<double>();
  for (int64_t id = chains.ids.begin; id < chains.ids.end; ++id) {
    const int64_t label = of == nullptr ? 0 : of[id];
    Label& now = of_label[label];
    if (now.shift < 0) now.shift = noise.uniform({label, label + 1}, 1, draw, Stream::pool_start).item<double>();
    const double place = now.shift + static_cast<double>(now.chains++) * step;
    *out++ = std::min(place - std::floor(place), end);
  }
  return places;
}

}  // namespace

at::Tensor PriorPool::any(const at::Tensor& labels, const at::Tensor& u) const {
  if (!count.defined()) return (u * static_cast<double>(z.size(0))).floor().to(at::kLong);
  return begin.index_select(0, labels) + (u * count.index_select(0, labels)).floor().to(at::kLong);
}

at::Tensor PriorPool::weighted(const at::Tensor& labels, const at::Tensor& u) const {
  const at::Tensor place = count.defined() ? u + labels.to(at::kDouble) : u;
  return at::searchsorted(cumulative, place, /*out_int32=*/false, /*right=*/true).clamp_max(z.size(0) - 1);
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

std::function<void(Chains&, int64_t draw)> weighted_start(PriorPool pool, const char* key, const Target& target,
                                                          const tensor::Noise& noise) {
  return [pool = std::move(pool), key, target, noise](Chains& chains, int64_t draw) {
    pool.check(chains.labels, key);
    const at::Tensor places = even_places(chains, target, noise, draw).to(target.device);
    chains.z = pool.z.index_select(0, pool.weighted(chains.labels, places));
    chains.now = target.evaluate(chains.z, chains.labels);
  };
}

Method started_from(PriorPool pool, Method method, const Target& target, const tensor::Noise& noise) {
  method.warm_up["start_ess_fraction"] = pool.weights.at("ess_fraction");
  method.start = [at_pool = weighted_start(std::move(pool), "sample.start_pool", target, noise), then = method.start](
                     Chains& chains, int64_t draw) {
    at_pool(chains, draw);
    if (then) then(chains, draw);
  };
  return method;
}

}  // namespace ddls::sampling
