#pragma once
// Convolutions as products with patches (Chellapilla, Puri and Simard, "High Performance Convolutional Neural Networks
// for Document Processing", 2006): every position of the small image has a row of what its kernel sees. In bfloat16 on
// processors that multiply tiles (AMX), where oneDNN's convolutions of few positions and many channels reach a tenth of
// its products' rate (docs/profiling.md).
//
// A "big" image x is [n, C, s H, s W], a "small" one y [n, K, H, W]; kernels [K, C, 3, 3] of stride s = 1 or
// [K, C, 4, 4] of stride 2, both of padding 1. All of one floating-point type, channels-last (others are copied); sums
// are rounded to it once. A transposed convolution goes from small to big.
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace ddls::inference::patches {

// What is computed: an image, or the kernels' gradient.
enum class Output { small, big, kernel };

// Whether this is faster than oneDNN's convolution here, for kernels [K, C, k, k] and `positions` = H W.
bool pays_for(Output output, at::IntArrayRef kernels, int64_t positions, at::ScalarType type);

// The convolution: y of x. `bias`: [K], or undefined.
at::Tensor big_to_small(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias = {});

// Its adjoint: x of y. `bias`: [C], or undefined.
at::Tensor small_to_big(const at::Tensor& y, const at::Tensor& weight, const at::Tensor& bias = {});

// The gradient with respect to the weight, given that with respect to y: [K, C, k, k], channels-last, float32 of
// bfloat16 (sums of 1024 positions are rounded to it, their sum is not), else of the images' type.
at::Tensor weight_gradient(const at::Tensor& x, const at::Tensor& dy);

}  // namespace ddls::inference::patches
