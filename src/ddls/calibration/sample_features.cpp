#include "ddls/calibration/sample_features.hpp"

#include "base/error.hpp"
#include "ddls/calibration/features/network_file.hpp"

namespace ddls::sampling {

const std::vector<const FeatureKind*>& feature_kinds() {
  static const std::vector<const FeatureKind*> kinds{&pixel_features, &convolution_features, &classifier_features,
                                                     &wave_features, &cluster_features};
  return kinds;
}

const FeatureKind* feature_kind(const std::string& name) {
  for (const FeatureKind* kind : feature_kinds())
    if (name == kind->name) return kind;
  return nullptr;
}

SampleFeatures make_sample_features(const std::string& name, const FeatureSource& source) {
  const FeatureKind* kind = feature_kind(name);
  const bool images = source.sample.size() == 3;
  if ((kind == nullptr || kind->needs_images) && !images)
    fail(Exit::config, "train.calibration.features: {} are of images, but these samples are points", name);
  return kind != nullptr ? kind->make(source) : network_file_features(name, source);
}

}  // namespace ddls::sampling
