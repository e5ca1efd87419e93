#pragma once
// Trained layers as frozen maps: spectral norm divided out, a batch norm that follows folded in. Folding is done in float64
// and rounded once, to `type`: the form then works in it.
#include "models/batch_norm.hpp"
#include "models/layers.hpp"

namespace ddls {

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

enum class SideChange { none, doubled, halved };  // Convolution::forward, forward_doubled, forward_halved

// `norm`: a frozen batch norm of the layer's results, per feature, or null. Of a dense layer whose outputs are read as a channels-last image (as_image) each run of features is
// one pixel.
DenseMap fold(const Dense& layer);  // rounded to the type of its own weight
DenseMap fold(const Dense& layer, at::ScalarType type, const FeatureMap* norm = nullptr);
ConvolutionMap fold(const Convolution& layer, at::ScalarType type, const FeatureMap* norm = nullptr,
                    SideChange change = SideChange::none);
ConvolutionMap fold(const TransposedConvolution& layer, at::ScalarType type, const FeatureMap* norm = nullptr);

}  // namespace ddls
