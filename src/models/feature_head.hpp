#pragma once
// A density ratio on few or large images: a perceptron on the features of a frozen network from elsewhere
// (tensor/frozen_features.hpp), in units of their deviation on some reals. Only the perceptron is trained; the gradient
// with respect to the image passes through the frozen network.
#include <cstdint>
#include <string>
#include <vector>

#include "models/network_fwd.hpp"

namespace ddls::models {

inline constexpr const char* ratio_extractor_key = "model.ratio_extractor";  // as messages name it

// `file`: model.ratio_extractor; widths: hidden layers. Buffers: feature_mean, feature_scale [F], and extractor_sha256,
// the file's checksum as text: state that was made with another file is refused where the network is used first
// (Error(config)). Throws Error as FrozenFeatures does, naming the key.
NetworkPtr make_feature_head(const std::string& file, const std::vector<int64_t>& widths, const SampleShape& shape);

bool is_feature_head(const Network& network);
// Sets feature_mean and feature_scale from images in [-1, 1]; `network` is one of these.
void measure_features(Network& network, const at::Tensor& images);

// The checksum of the file at model.ratio_extractor, for keys; empty for other networks.
std::string extractor_of(const Network& network);

}  // namespace ddls::models
