#pragma once
// The products in the middle of a Winograd convolution, [P, M, K] x [P, K, N] plane by plane, by the faster library of
// this machine: MKL, or oneDNN's block products in bfloat16, and in float32 on AMD processors with AVX-512, where MKL
// takes the slower of its ways.
#include <ATen/core/Tensor.h>

namespace ddls::inference::winograd {

// Whether factors of bfloat16 can be multiplied here, and Winograd convolution of them is faster.
bool bfloat16_pays();

// The right factors [P, K, N], laid out once. Ownership: shares `planes` where that lies well already.
class RightFactors {
 public:
  RightFactors() = default;
  explicit RightFactors(const at::Tensor& planes);
  // result[p] = left[p] times the factor p; left [P, M, K] of the factors' type, result [P, M, N] float32 or float64.
  // Rows are dense, planes may lie apart.
  void multiply(at::Tensor result, const at::Tensor& left) const;

 private:
  int64_t width_ = 0, columns_ = 0;  // N; so many at a time where oneDNN multiplies, else 0
  at::Tensor values_;  // [P, K, N]; bfloat16: [P, N / columns, K / 2, columns, 2], as its instructions read pairs
};

}  // namespace ddls::inference::winograd
