#include "ddls/worth.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/error.hpp"
#include "tensor/noise.hpp"

namespace ddls::sampling {
namespace {

int64_t classes_of(const LogRatios& a, const LogRatios& b) {
  const auto highest = [](const LogRatios& r) {
    return r.groups.defined() && r.groups.numel() > 0 ? r.groups.max().item<int64_t>() : int64_t{0};
  };
  return 1 + std::max(highest(a), highest(b));
}

at::Tensor groups_of(const LogRatios& r) { return r.groups.defined() ? r.groups : at::zeros_like(r.values, at::kLong); }

// log_means with draw i counted counts[i] times.
at::Tensor counted_log_means(const LogRatios& pool, int64_t classes, const at::Tensor& counts) {
  const at::Tensor groups = groups_of(pool);
  // Each class has a largest of its own: what is far below that of another class must not vanish.
  const at::Tensor top = at::full({classes}, -INFINITY, at::kDouble).scatter_reduce(0, groups, pool.values, "amax");
  const at::Tensor e = (pool.values - top.index_select(0, groups)).exp() * counts;
  const at::Tensor zeros = at::zeros({classes}, at::kDouble);
  const at::Tensor sum = zeros.index_add(0, groups, e), count = zeros.index_add(0, groups, counts);
  return at::where(count > 0, top + (sum / count.clamp_min(1e-300)).log(), at::full_like(top, -INFINITY));
}

// mean over reals of r - log Z of their class; both sets weighted by counts.
double gain(const LogRatios& real, const at::Tensor& log_z, const at::Tensor& counts) {
  const at::Tensor terms = real.values - log_z.index_select(0, groups_of(real));
  // A resample may lack a class of the pool.
  const at::Tensor used = counts * at::isfinite(terms).to(at::kDouble);
  const double weight = used.sum().item<double>();
  return weight > 0 ? (at::where(used > 0, terms, at::zeros_like(terms)) * used).sum().item<double>() / weight : 0;
}

// Counts of the Poisson(1) bootstrap: [n] float64, of (seed, replicate, position).
at::Tensor poisson_counts(int64_t n, uint64_t seed, int64_t replicate, int64_t set) {
  static const at::Tensor bounds = [] {  // P(count <= k)
    std::vector<double> below;
    double p = std::exp(-1.0), sum = 0;
    for (int k = 0; k < 12; ++k, p /= k) below.push_back(sum += p);
    return at::tensor(below, at::kDouble).to(at::kFloat);
  }();
  // Four columns share a call of Philox. Step 0 of the stream is the pool's.
  const at::Tensor u = tensor::Noise{seed}.uniform({0, (n + 3) / 4}, 4, 1 + 2 * replicate + set, Stream::worth);
  return at::bucketize(u.flatten().narrow(0, 0, n), bounds).to(at::kDouble);
}

void require_draws(const LogRatios& real, const LogRatios& pool) {
  if (real.values.numel() == 0 || pool.values.numel() == 0)
    fail(Exit::data, "energy: {} reals and {} prior draws; both are needed", real.values.numel(), pool.values.numel());
}

}  // namespace

at::Tensor log_means(const LogRatios& pool, int64_t classes) {
  return counted_log_means(pool, classes, at::ones_like(pool.values));
}

double nats(const LogRatios& real, const LogRatios& pool) {
  require_draws(real, pool);
  return gain(real, log_means(pool, classes_of(real, pool)), at::ones_like(real.values));
}

at::Tensor normalised_weights(const LogRatios& pool) {
  const at::Tensor groups = groups_of(pool);
  const at::Tensor log_z = log_means(pool, classes_of(pool, pool));
  return (pool.values - log_z.index_select(0, groups)).exp() / static_cast<double>(pool.values.numel());
}

PoolWorth pool_worth(const LogRatios& pool) {
  PoolWorth worth;
  const at::Tensor log_z = log_means(pool, classes_of(pool, pool)), w = normalised_weights(pool);
  worth.log_z = log_z.index_select(0, groups_of(pool)).mean().item<double>();
  const double sum = w.sum().item<double>();
  worth.ess = sum * sum / w.square().sum().item<double>();
  worth.ess_fraction = worth.ess / static_cast<double>(w.numel());
  worth.largest_share = w.max().item<double>() / sum;
  return worth;
}

Interval nats_gained(const LogRatios& real, const LogRatios& pool, uint64_t seed, int64_t replicates) {
  require_draws(real, pool);
  const int64_t classes = classes_of(real, pool), n = real.values.numel(), m = pool.values.numel();
  Interval interval;
  interval.mean = nats(real, pool);
  std::vector<double> drawn;
  for (int64_t i = 0; i < replicates; ++i)
    drawn.push_back(
        gain(real, counted_log_means(pool, classes, poisson_counts(m, seed, i, 0)), poisson_counts(n, seed, i, 1)));
  std::sort(drawn.begin(), drawn.end());
  const auto last = static_cast<double>(drawn.size()) - 1;
  interval.low = drawn[static_cast<size_t>(std::floor(0.025 * last))];
  interval.high = drawn[static_cast<size_t>(std::ceil(0.975 * last))];
  return interval;
}

BestScale best_scale(const LogRatios& real, const LogRatios& pool, double most) {
  const auto at_scale = [&](double b) { return nats({real.values * b, real.groups}, {pool.values * b, pool.groups}); };
  constexpr double ratio = 0.6180339887498949;
  double low = 0, high = most;
  for (int i = 0; i < 40; ++i) {
    const double a = high - ratio * (high - low), b = low + ratio * (high - low);
    if (at_scale(a) < at_scale(b))
      low = a;
    else
      high = b;
  }
  const double scale = (low + high) / 2;
  return {scale, at_scale(scale)};
}

at::Tensor systematic_resample(const at::Tensor& weights, int64_t count, double u) {
  const at::Tensor ends = weights.to(at::kDouble).cumsum(0).contiguous();
  const double total = ends[-1].item<double>();
  ensure(total > 0 && std::isfinite(total), "weights that sum to {}", total);
  const at::Tensor points = (at::arange(count, at::kDouble) + u) * (total / static_cast<double>(count));
  return at::searchsorted(ends, points, /*out_int32=*/false, /*right=*/true).clamp_max(weights.numel() - 1);
}

}  // namespace ddls::sampling
