#pragma once
// The two passes of a batch norm over its input that are worth a kernel, differentiable twice each. On a CPU the first
// derivative goes through the kernels of ATen's batch norm, which read images of bfloat16 or float32 as they lie;
// everything else through its elementwise operations.
//
// x: [n, features] or [n, features, H, W]. Sums are taken in float32, of float64 in that.
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace ddls::models {

std::vector<int64_t> all_but_features(const at::Tensor& x);  // the dimensions
// [features] or [n, features], in a shape that broadcasts over x.
at::Tensor over_positions(const at::Tensor& values, const at::Tensor& x);

struct FeatureMoments {
  at::Tensor mean, variance;  // float64 [features]; of the population
};

FeatureMoments feature_moments(const at::Tensor& x);

// x * scale + shift per feature, of x's type; scale and shift float64 [features].
at::Tensor scale_features(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& shift);

}  // namespace ddls::models
