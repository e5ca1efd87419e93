#include <ATen/ATen.h>

#include "ddls/calibration/sample_features.hpp"

namespace ddls::sampling {
namespace {

// Larger images are averaged down to about this side: the most varied directions of images are smooth.
constexpr int64_t most_side = 32;

SampleFeatures make_pixel_features(const FeatureSource& source) {
  const int64_t factor = (std::max(source.sample[1], source.sample[2]) + most_side - 1) / most_side;
  return {
      [factor](const at::Tensor& images) { return (factor > 1 ? at::avg_pool2d(images, factor) : images).flatten(1); }};
}

}  // namespace

const FeatureKind pixel_features{.name = "pixels", .make = make_pixel_features};

}  // namespace ddls::sampling
