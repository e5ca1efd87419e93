#pragma once
// Features of a network from elsewhere (tensor/frozen_features.hpp).
#include "ddls/calibration/sample_features.hpp"

namespace ddls::sampling {

// Throws Error as tensor::FrozenFeatures does.
SampleFeatures network_file_features(const std::string& file, const FeatureSource& source);

}  // namespace ddls::sampling
