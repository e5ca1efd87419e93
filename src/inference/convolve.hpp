#pragma once
// Differentiable 2-D convolutions: by Winograd's algorithm (inference/winograd/winograd.hpp) or, under autocast to
// bfloat16, as products with patches (inference/patches.hpp), where these pay, and by ATen elsewhere. Gradients of
// gradients (penalties) go through ATen.
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace ddls::inference {

// As at::conv2d: x [n, C, H, W], weight [K, C, k, k], bias [K] or undefined.
at::Tensor convolve(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, int64_t stride,
                    int64_t padding);

// As at::conv_transpose2d: y [n, K, H, W], weight [K, C, k, k], bias [C] or undefined.
at::Tensor convolve_transposed(const at::Tensor& y, const at::Tensor& weight, const at::Tensor& bias, int64_t stride,
                               int64_t padding);

}  // namespace ddls::inference
