#pragma once
// Convolutions by minimal filtering (models/winograd/tiles.hpp) on a CPU: 16 products of planes and kernels for 3x3 kernels
// of stride 1 and padding 1, 9 for 4x4 kernels of stride 2 and padding 1, which is 2.25 and 1.78 times fewer multiply-adds
// than the plain form. Exact in real arithmetic; in float32 the error is some 1e-6 of the result's norm.
//
// A "big" image x is [n, C, s H, s W], a "small" one y [n, K, H, W], s the stride; H, W are even, C and K multiples of 8.
// float32 or float64, channels-last (others are copied). A transposed convolution goes from small to big.
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace ddls::winograd {

// Whether a kernel [K, C, k, k] can be taken this way, and is faster so than by oneDNN here.
bool pays_for(const at::Tensor& weight, int64_t stride, int64_t padding);
bool tiles_fit(int64_t height, int64_t width);  // of the small image: even

// G g G^T of every kernel: [K, C, 3, 3] -> [16, K, C] for stride 1, [K, C, 4, 4] -> [9, K, 4 C] for stride 2. Linear, and
// differentiable.
at::Tensor transformed(const at::Tensor& weight, int64_t stride);

// The same kernels, laid out for one direction: for weights that are used often. The functions below take either.
enum class Result { small, big };
at::Tensor laid_out_for(Result result, const at::Tensor& kernels);

struct Epilogue {
  at::Tensor bias;   // [K], or undefined
  double slope = 1;  // of what is negative: 1 no activation, 0 ReLU
};

// The convolution: y of x. `kernels` as `transformed` gives them.
at::Tensor big_to_small(const at::Tensor& x, const at::Tensor& kernels, const Epilogue& epilogue = {});

// Its adjoint, the gradient with respect to x or a transposed convolution: x of y. `bias`: [C], or undefined.
at::Tensor small_to_big(const at::Tensor& y, const at::Tensor& kernels, const at::Tensor& bias = {});

// The gradient with respect to the weight, given that with respect to y: [K, C, k, k], channels-last.
at::Tensor weight_gradient(const at::Tensor& x, const at::Tensor& dy);

}  // namespace ddls::winograd
