#pragma once
#include <ATen/core/Tensor.h>

namespace ddls::metrics {

// Of the number of pairs in which a fake's distance is larger, ties half; both [n] float64. Standard normal where both
// are of one law.
double mann_whitney_z(const at::Tensor& fakes, const at::Tensor& reals);

}  // namespace ddls::metrics
