#pragma once
// Trained layers as frozen maps: spectral norm divided out, a batch norm that follows folded in. Folding is done in
// float64 and rounded once, to `type`: the graph then works in it.
#include "inference/maps.hpp"
#include "models/layers.hpp"

namespace ddls::models {

// `norm`: a frozen batch norm of the layer's results, per feature, or null. Of a dense layer whose outputs are read as
// a channels-last image (as_image) each run of features is one pixel. `change`: Convolution's forward, forward_doubled
// or forward_halved.
inference::DenseMap fold(const Dense& layer);  // rounded to the type of its own weight
inference::DenseMap fold(const Dense& layer, at::ScalarType type, const inference::FeatureMap* norm = nullptr);
inference::ConvolutionMap fold(const Convolution& layer, at::ScalarType type,
                               const inference::FeatureMap* norm = nullptr,
                               inference::SideChange change = inference::SideChange::none);
inference::ConvolutionMap fold(const TransposedConvolution& layer, at::ScalarType type,
                               const inference::FeatureMap* norm = nullptr);

}  // namespace ddls::models
