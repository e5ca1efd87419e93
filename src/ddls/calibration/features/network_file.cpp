#include "ddls/calibration/features/network_file.hpp"

#include "tensor/frozen_features.hpp"

namespace ddls::sampling {

SampleFeatures network_file_features(const std::string& file, const FeatureSource& source) {
  const auto network = tensor::frozen_features(file, "train.calibration.features", source.sample, source.device);
  return {
      [network](const at::Tensor& samples) { return network->of(samples); }, {}, network->sha256(), network->groups()};
}

}  // namespace ddls::sampling
