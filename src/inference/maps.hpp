#pragma once
// Frozen linear maps as plain tensors: what an inference graph is made of. Whoever has trained layers folds them into
// these (models/fold.hpp); nothing here knows a layer or a network.
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace ddls::inference {

struct DenseMap {
  at::Tensor weight, bias;    // [to, from]; [to], or undefined
  int64_t folded_inputs = 0;  // that the layer has beyond these: a label's embedding
};

// A convolution, or with `transposed` its adjoint. Square kernels.
struct ConvolutionMap {
  at::Tensor weight, bias;  // [to, from, k, k], transposed [from, to, k, k]; [to], or undefined
  int64_t stride = 1, padding = 0;
  bool transposed = false;
  // Multiply-adds per pair of channels and position of the smaller image in the layer as published; 0: k^2, as here.
  int64_t published_taps = 0;
};

// A batch norm in eval mode: x * scale + shift, float64. [features], or with a row per class [classes, features].
struct FeatureMap {
  at::Tensor scale, shift;
  at::Tensor by_latents = {};  // what k latents add, scales then shifts: [2 features, k]; or undefined
  int64_t label_inputs = 0;    // length of the vectors that the rows stand for, where there are latents
};

enum class SideChange { none, doubled, halved };  // of an image, by nearest x2 or 2x2 averages

}  // namespace ddls::inference
