#pragma once
// Features of a network from elsewhere: TorchScript by the convention of evaluate.extractor (docs/formats.md, section
// 9), called with floating-point values in 0..255, through which a gradient must pass.
#include "ddls/calibration/sample_features.hpp"

namespace ddls::sampling {

// Throws Error: missing; data: no TorchScript, fails on such images, or a file through which no gradient passes.
SampleFeatures network_file_features(const std::string& file, const FeatureSource& source);

}  // namespace ddls::sampling
