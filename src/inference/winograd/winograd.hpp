#pragma once
// Convolutions by Winograd's minimal filtering (inference/winograd/tiles.hpp) on a CPU: 16 products of planes and
// kernels for 3x3 kernels of stride 1 and padding 1, 9 for 4x4 kernels of stride 2 and padding 1, which is 2.25 and
// 1.78 times fewer multiply-adds than the plain form. Exact in real arithmetic; in float32 the error is some 1e-6 of
// the result's norm.
//
// A "big" image x is [n, C, s H, s W], a "small" one y [n, K, H, W], s the stride; H, W are even, C and K multiples of
// 8, in bfloat16 of 16. float32, float64 or bfloat16, channels-last (others are copied). In bfloat16 the planes of
// factors are rounded to it as well and sums are float32: the error of a convolution is some 0.0045 of the result's
// norm where that of the plain form is 0.0017. A transposed convolution goes from small to big.
#include <ATen/core/Tensor.h>

#include <cstdint>

#include "inference/winograd/products.hpp"

namespace ddls::inference::winograd {

// Whether a kernel [K, C, k, k] can be taken this way on images of `type`, and is faster so than by oneDNN here.
bool pays_for(const at::Tensor& weight, int64_t stride, int64_t padding, at::ScalarType type);
bool tiles_fit(int64_t height, int64_t width);  // of the small image: even

// G g G^T of every kernel: [K, C, 3, 3] -> [16, K, C] for stride 1, [K, C, 4, 4] -> [9, K, 4 C] for stride 2. Linear,
// and differentiable.
at::Tensor transformed(const at::Tensor& weight, int64_t stride);

// Kernels laid out for one direction: for weights that are used often, made once.
enum class Result { small, big };
struct Kernels {
  Kernels() = default;
  Kernels(Result direction, const at::Tensor& transformed);
  bool defined() const { return stride > 0; }

  int64_t stride = 0, small = 0, big = 0;  // channels K and C
  int64_t numel = 0;                       // of the transformed kernels: P K s^2 C
  RightFactors right;
};

struct Epilogue {
  at::Tensor bias;   // [K], or undefined
  double slope = 1;  // of what is negative: 1 no activation, 0 ReLU
};

// The convolution: y of x.
at::Tensor big_to_small(const at::Tensor& x, const Kernels& kernels, const Epilogue& epilogue = {});

// Its adjoint, the gradient with respect to x or a transposed convolution: x of y. `bias`: [C], or undefined.
at::Tensor small_to_big(const at::Tensor& y, const Kernels& kernels, const at::Tensor& bias = {});

// The gradient with respect to the weight, given that with respect to y: [K, C, k, k], channels-last; float32 of
// bfloat16, whose products of some tiles are rounded to it, their sum is not.
at::Tensor weight_gradient(const at::Tensor& x, const at::Tensor& dy);

}  // namespace ddls::inference::winograd
