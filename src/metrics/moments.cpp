#include "metrics/moments.hpp"

#include <ATen/ATen.h>

#include "base/error.hpp"

namespace ddls::metrics {
namespace {

constexpr int64_t panel = 256;  // columns; small enough to save nearly half, large enough for the matrix product

}  // namespace

Moments::Moments(int64_t features)
    : features_(features),
      centre_(at::zeros({features}, at::kDouble)),
      sums_(at::zeros({1 + features + features * features}, at::kDouble)) {}

at::Tensor Moments::products() const {
  return sums_.narrow(0, 1 + features_, features_ * features_).view({features_, features_});
}

void Moments::add(const at::Tensor& features, const at::Tensor& weights) {
  ensure(features.dim() == 2 && features.size(1) == features_, "features of size [n, {}] expected", features_);
  if (features.size(0) == 0) return;
  at::Tensor f = features.to(at::kCPU, at::kDouble);
  if (sums_[0].item<double>() == 0) centre_ = f.mean(0);
  f = f - centre_;
  const at::Tensor weighted = weights.defined() ? f * weights.unsqueeze(1) : f;
  sums_[0] += weights.defined() ? weights.sum() : at::full({}, f.size(0), at::kDouble);
  sums_.narrow(0, 1, features_) += weighted.sum(0);
  for (int64_t at = 0; at < features_; at += panel) {
    const int64_t width = std::min(panel, features_ - at);
    const at::Tensor rest = f.narrow(1, at, features_ - at);
    products().narrow(0, at, width).narrow(1, at, features_ - at).addmm_(weighted.narrow(1, at, width).t(), rest);
  }
}

void Moments::recentre(const at::Tensor& centre) {
  ensure(centre.sizes() == centre_.sizes(), "a centre of {} features expected", features_);
  const at::Tensor n = sums_[0], by = centre_ - centre;  // f - centre = (f - centre_) + by
  at::Tensor first = sums_.narrow(0, 1, features_);
  // The part below the diagonal panels is not read.
  products() += at::outer(first, by) + at::outer(by, first) + n * at::outer(by, by);
  first += n * by;
  centre_ = centre.clone();
}

GaussianStatistics Moments::statistics(const std::string& what) const {
  const auto n = sums_[0].item<double>();
  if (n < 2) fail(Exit::data, "{}: {} samples; at least 2 are needed for a covariance", what, n);
  if (!at::isfinite(sums_).all().item<bool>()) fail(Exit::data, "{}: features are not finite", what);
  GaussianStatistics s;
  s.count = static_cast<int64_t>(n);
  const at::Tensor shift = sums_.narrow(0, 1, features_) / n;
  s.mean = centre_ + shift;
  at::Tensor upper = products().triu();
  upper.addr_(shift, shift, 1, -n);
  upper.triu_();
  s.covariance = (upper + upper.triu(1).t()).div_(n - 1);
  return s;
}

}  // namespace ddls::metrics
