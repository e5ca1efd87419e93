#pragma once
// The operators of Torch without a public C++ name that this folder uses: the only place that names them. They are
// those that PyTorch's compiler uses for oneDNN: products and convolutions of float32 on a CPU with a weight laid out
// once and an activation joined. An operator whose schema is not the known one counts as missing, and then none is
// used: callers have an ATen form of everything (inference/frozen.cpp).
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

#include "inference/activation.hpp"

namespace ddls::inference::private_operators {

// Empty where all are as known; else which is not, and how: for tests and `info`.
const std::string& problem();

struct Geometry {
  int64_t stride = 1, padding = 0;
};

// Weights laid out for one of the calls below; [to, from] and [to, from, k, k] (transposed: [from, to, k, k]) before.
at::Tensor prepare_linear(const at::Tensor& weight);
at::Tensor prepare_convolution(const at::Tensor& weight, Geometry geometry);
at::Tensor prepare_transposed(const at::Tensor& weight, Geometry geometry);

// `bias` may be undefined.
at::Tensor linear(const at::Tensor& x, const at::Tensor& prepared, const at::Tensor& bias);
at::Tensor convolution(const at::Tensor& x, const at::Tensor& prepared, const at::Tensor& bias, Geometry geometry,
                       Activation activation);
at::Tensor transposed_convolution(const at::Tensor& x, const at::Tensor& prepared, const at::Tensor& bias,
                                  Geometry geometry, Activation activation);

}  // namespace ddls::inference::private_operators
