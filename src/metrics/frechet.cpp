#include "metrics/frechet.hpp"

#include <ATen/ATen.h>

#include <cmath>
#include <limits>

#include "base/error.hpp"

namespace ddls::metrics {

GaussianFactor factor(const GaussianStatistics& s, const std::string& what) {
  const auto [values, vectors] = at::linalg_eigh(s.covariance);  // ascending
  const int64_t features = values.size(0);
  const auto largest = values[features - 1].item<double>(), smallest = values[0].item<double>();
  if (smallest < -1e-3 * std::max(largest, 0.0))
    fail(Exit::data, "{}: the covariance has the eigenvalue {:.3g} beside {:.3g}; it is not a covariance", what,
         smallest, largest);
  const double rounding = static_cast<double>(features) * std::numeric_limits<double>::epsilon() * largest;
  const int64_t rank = (values > rounding).sum().item<int64_t>();
  const int64_t from = features - rank;
  const double trace = s.covariance.trace().item<double>();
  const at::Tensor kept = values.narrow(0, from, rank);
  return {s.mean, trace, vectors.narrow(1, from, rank) * kept.sqrt(), std::abs(trace - kept.sum().item<double>())};
}

double frechet_distance(const GaussianFactor& a, const GaussianFactor& b) {
  ensure(a.mean.sizes() == b.mean.sizes(), "statistics of {} and {} features", a.mean.numel(), b.mean.numel());
  const at::Tensor product = at::matmul(a.root.t(), b.root);
  const double cross = product.numel() == 0 ? 0 : at::linalg_svdvals(product).sum().item<double>();
  const double distance = (a.mean - b.mean).square().sum().item<double>() + a.trace + b.trace - 2 * cross;
  const double rounding = 1e-9 * (a.trace + b.trace) + 2 * (a.left_out + b.left_out);
  return distance < 0 && distance >= -rounding ? 0 : distance;
}

}  // namespace ddls::metrics
