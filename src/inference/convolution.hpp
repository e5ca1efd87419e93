#pragma once
// Operations on images.
#include <vector>

#include "inference/activation.hpp"
#include "inference/maps.hpp"

namespace ddls::inference {

OperationPtr convolution(const ConvolutionMap& map, Activation activation);

// A norm that no convolution takes on, per channel or (map of [classes, C]) per channel and label, then ReLU. Rounded
// to the type of the images.
OperationPtr norm_and_relu(const FeatureMap& map, at::ScalarType type);

// main(x) + shortcut(x) with a change of side in the shortcut: nearest x2 after its operations, or 2x2 averages before.
// Main ends with a convolution without activation; the shortcut may be empty.
OperationPtr residual(Operations main, Operations shortcut, SideChange change);

OperationPtr features_as_image(int64_t width, int64_t side);  // image_layout.hpp
OperationPtr image_as_features(int64_t width, int64_t side);
// [n, C H W] -> [n, C, H, W], plane after plane in memory; `shape` is {C, H, W}.
OperationPtr features_as_planes(const std::vector<int64_t>& shape);
OperationPtr planes_as_features(const std::vector<int64_t>& shape);
OperationPtr depth_to_space();  // pixel shuffle by 2
OperationPtr space_to_depth();
OperationPtr to_channels_last();
OperationPtr relu_and_pool(bool mean);  // [n, C, H, W] -> [n, C]: sum or mean over positions

}  // namespace ddls::inference
