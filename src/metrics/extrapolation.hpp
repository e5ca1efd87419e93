#pragma once
// A metric without the bias of a finite set (Chong and Forsyth, CVPR 2020): it is taken of random subsets of equally
// spaced sizes, from min(5000, n / 2) to n, and a straight line in 1 / size is followed to 0.
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace ddls::metrics {

constexpr int64_t least_for_extrapolation = 20;  // samples

struct Subsets {
  std::vector<int64_t> sizes;  // 15
  at::Tensor members;          // [15, n] bool; the same for every set of n
};
Subsets extrapolation_subsets(int64_t n);

// Least squares of value = intercept + slope / size. At least two different sizes.
struct Line {
  double intercept = 0, slope = 0;
};
Line line_in_inverse_size(const std::vector<int64_t>& sizes, const std::vector<double>& values);

}  // namespace ddls::metrics
