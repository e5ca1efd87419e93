#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

namespace ddls::report {

// For the mixture of 25 Gaussians: the share of `points` [n, 2] that each mode has among the samples within 4 sd of a
// centre. Row by row from the lowest left mode. Empty where no point is that near.
std::vector<double> mode_shares(const at::Tensor& points);

}  // namespace ddls::report
