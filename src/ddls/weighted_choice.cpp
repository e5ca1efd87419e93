#include "ddls/weighted_choice.hpp"

#include <ATen/ATen.h>

#include <cmath>

namespace ddls::sampling {

WeightedChoice::WeightedChoice(const at::Tensor& log_weight) : first_(log_weight.to(at::kDouble)), total_(first_) {}

at::Tensor WeightedChoice::takes(const at::Tensor& log_weight, const at::Tensor& u) {
  const at::Tensor next = log_weight.to(at::kDouble);
  const at::Tensor usable = at::where(at::isfinite(next), next, at::full_like(next, -INFINITY));
  total_ = at::logaddexp(total_, usable);
  return u < (usable - total_).exp();
}

at::Tensor WeightedChoice::left() const { return -at::expm1(first_ - total_); }

}  // namespace ddls::sampling
