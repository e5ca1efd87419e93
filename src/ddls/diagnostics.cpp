#include "ddls/diagnostics.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "base/error.hpp"

namespace ddls::sampling {
namespace {

at::Tensor checked(const at::Tensor& draws) {
  ensure(draws.dim() == 2 && draws.size(0) >= 1 && draws.size(1) >= fewest_draws,
         "diagnostics need [chains, draws] with at least {} draws", fewest_draws);
  return draws.to(at::kDouble).cpu().contiguous();
}

// [2 chains, draws / 2]: first and last halves; the middle draw of an odd number is left out.
at::Tensor split(const at::Tensor& draws) {
  const int64_t half = draws.size(1) / 2;
  return at::cat({draws.narrow(1, 0, half), draws.narrow(1, draws.size(1) - half, half)}, 0).contiguous();
}

// Normal scores of the ranks over all draws; ties get their mean rank (Blom 1958: (r - 3/8) / (S + 1/4)).
at::Tensor normal_scores(const at::Tensor& draws) {
  const at::Tensor flat = draws.flatten().contiguous();
  const double* values = flat.data_ptr<double>();
  const int64_t count = flat.numel();
  std::vector<int64_t> order(static_cast<size_t>(count));
  std::iota(order.begin(), order.end(), int64_t{0});
  std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return values[a] < values[b]; });
  at::Tensor ranks = at::empty_like(flat);
  double* rank = ranks.data_ptr<double>();
  for (size_t first = 0; first < order.size();) {
    size_t last = first;
    while (last + 1 < order.size() && values[order[last + 1]] == values[order[first]]) ++last;
    const double mean_rank = 1 + static_cast<double>(first + last) / 2;
    for (; first <= last; ++first) rank[order[first]] = mean_rank;
  }
  return at::special_ndtri((ranks - 0.375) / (static_cast<double>(count) + 0.25)).view(draws.sizes());
}

double plain_rhat(const at::Tensor& draws) {
  const auto n = static_cast<double>(draws.size(1));
  const double between = n * draws.mean(1).var().item<double>();
  const double within = draws.var(1).mean().item<double>();
  return std::sqrt((between / within + n - 1) / n);
}

// Linear between order statistics, over all draws (type 7 of Hyndman & Fan 1996).
double quantile_of(const at::Tensor& draws, double p) {
  const at::Tensor sorted = std::get<0>(draws.flatten().sort());
  const int64_t n = sorted.numel();
  const double place = static_cast<double>(n) * p + (1 - p);  // from 1
  const auto below = static_cast<int64_t>(std::floor(std::clamp(place, 1.0, static_cast<double>(n - 1))));
  const double share = std::clamp(place - static_cast<double>(below), 0.0, 1.0);
  return (1 - share) * sorted[below - 1].item<double>() + share * sorted[below].item<double>();
}

double median_of(const at::Tensor& draws) {  // of an even number: the mean of the middle two
  const at::Tensor sorted = std::get<0>(draws.flatten().sort());
  const int64_t n = sorted.numel();
  return (sorted[(n - 1) / 2].item<double>() + sorted[n / 2].item<double>()) / 2;
}

// Draws per effective draw, from the autocorrelation pooled over chains.
double pooled_time(const at::Tensor& draws) {
  const int64_t chains = draws.size(0), n = draws.size(1);
  const auto count = static_cast<double>(n);
  const at::Tensor centred = draws - draws.mean(1, true);
  const auto covariance = [&](int64_t lag) {  // divisor n, mean over chains
    return (centred.narrow(1, 0, n - lag) * centred.narrow(1, lag, n - lag)).sum(1).mean().item<double>() / count;
  };
  const double within = covariance(0) * count / (count - 1);
  double total = within * (count - 1) / count;
  if (chains > 1) total += draws.mean(1).var().item<double>();
  if (!(total > 0)) return std::numeric_limits<double>::quiet_NaN();
  const auto correlation = [&](int64_t lag) { return 1 - (within - covariance(lag)) / total; };

  // Sums of pairs are positive and fall, for a reversible chain: stop at the first that is not positive, and let none
  // grow.
  double even = 1, odd = correlation(1), pair = even + odd, sum = 0;
  double smallest = std::numeric_limits<double>::infinity();
  int64_t lag = 0;
  while (lag + 1 < n - 3 && pair > 0) {
    smallest = std::min(smallest, pair);
    sum += smallest;
    lag += 2;
    even = correlation(lag);
    odd = correlation(lag + 1);
    pair = even + odd;
  }
  const double tail = pair >= 0 ? even : std::max(even, 0.0);  // one more term lowers the variance of the estimate
  const double time = -1 + 2 * sum + tail;
  return std::max(time, 1 / std::log10(static_cast<double>(chains) * count));
}

}  // namespace

double rank_rhat(const at::Tensor& draws) {
  const at::Tensor halves = split(checked(draws));
  const double bulk = plain_rhat(normal_scores(halves));
  const double tail = plain_rhat(normal_scores((halves - median_of(halves)).abs()));
  return std::max(bulk, tail);
}

double bulk_ess(const at::Tensor& draws) {
  const at::Tensor halves = split(checked(draws));
  return static_cast<double>(halves.numel()) / pooled_time(normal_scores(halves));
}

double tail_ess(const at::Tensor& draws) {
  const at::Tensor all = checked(draws);
  if ((all == all[0][0]).all().item<bool>()) return std::numeric_limits<double>::quiet_NaN();
  const auto ess_below = [&](double p) {
    const at::Tensor below = split((all <= quantile_of(all, p)).to(at::kDouble));
    const auto count = static_cast<double>(below.numel());
    const double time = pooled_time(below);
    return std::isnan(time) ? count : count / time;  // all draws on one side: nothing that could be correlated
  };
  return std::min(ess_below(0.05), ess_below(0.95));
}

double autocorrelation_time(const at::Tensor& draws) {
  const at::Tensor halves = split(checked(draws));  // without the middle one of an odd number of draws
  return pooled_time(halves) * static_cast<double>(draws.numel()) / static_cast<double>(halves.numel());
}

}  // namespace ddls::sampling
