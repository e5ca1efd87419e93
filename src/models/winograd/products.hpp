#pragma once
// The products in the middle of minimal filtering, by the faster library of this machine: MKL, or, in float32 on AMD processors with
// AVX-512, where MKL takes the slower of its ways, oneDNN's block products.
#include <ATen/core/Tensor.h>

namespace ddls::winograd {

// `right` as `multiply_planes` reads it: itself where it lies so already, else a copy.
at::Tensor laid_out(const at::Tensor& right);

// result[p] = left[p] right[p] for stacks of planes [P, M, K] and [P, K, N]; `right` from `laid_out`. Rows are dense, planes may lie
// apart.
void multiply_planes(at::Tensor result, const at::Tensor& left, const at::Tensor& right);

}  // namespace ddls::winograd
