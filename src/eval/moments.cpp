#include "eval/moments.hpp"

#include <ATen/ATen.h>

#include "base/error.hpp"

namespace ddls {

Moments::Moments(int64_t features)
    : features_(features), sums_(at::zeros({1 + features + features * features}, at::kDouble)) {}

void Moments::add(const at::Tensor& features) {
  ensure(features.dim() == 2 && features.size(1) == features_, "features of size [n, {}] expected", features_);
  const at::Tensor f = features.to(at::kCPU, at::kDouble);
  sums_[0] += f.size(0);
  sums_.narrow(0, 1, features_) += f.sum(0);
  sums_.narrow(0, 1 + features_, features_ * features_).view({features_, features_}).addmm_(f.t(), f);
}

GaussianStatistics Moments::statistics(const std::string& what) const {
  const auto n = sums_[0].item<double>();
  if (n < 2) fail(Exit::data, "{}: {} samples; at least 2 are needed for a covariance", what, n);
  if (!at::isfinite(sums_).all().item<bool>()) fail(Exit::data, "{}: features are not finite", what);
  GaussianStatistics s;
  s.count = static_cast<int64_t>(n);
  s.mean = sums_.narrow(0, 1, features_) / n;
  const at::Tensor products = sums_.narrow(0, 1 + features_, features_ * features_).view({features_, features_});
  s.covariance = (products - n * at::outer(s.mean, s.mean)) / (n - 1);
  return s;
}

double frechet_distance(const GaussianStatistics& a, const GaussianStatistics& b) {
  ensure(a.mean.sizes() == b.mean.sizes(), "statistics of {} and {} features", a.mean.numel(), b.mean.numel());
  const auto [values, vectors] = at::linalg_eigh(a.covariance);
  const at::Tensor root = at::matmul(vectors * values.clamp_min(0).sqrt(), vectors.t());
  const at::Tensor inner = at::matmul(at::matmul(root, b.covariance), root);
  const at::Tensor cross = at::linalg_eigvalsh((inner + inner.t()) / 2).clamp_min(0).sqrt().sum();
  const at::Tensor distance =
      (a.mean - b.mean).square().sum() + a.covariance.trace() + b.covariance.trace() - 2 * cross;
  return distance.item<double>();
}

}  // namespace ddls
