#include <ATen/ATen.h>

#include "ddls/calibration/sample_features.hpp"

namespace ddls::sampling {
namespace {

// Points at several frequencies: cosines and sines of each coordinate's multiples, on the scale of data in [-1, 1].
constexpr int64_t frequencies = 8;

SampleFeatures make_wave_features(const FeatureSource&) {
  return {[](const at::Tensor& samples) {
    const at::Tensor x = samples.flatten(1);
    std::vector<at::Tensor> columns{x};
    for (int64_t f = 1; f <= frequencies; ++f) {
      const at::Tensor angle = x * (static_cast<double>(f) * 1.5707963267948966);
      columns.push_back(angle.cos());
      columns.push_back(angle.sin());
    }
    return at::cat(columns, 1);
  }};
}

}  // namespace

const FeatureKind wave_features{.name = "waves", .needs_images = false, .make = make_wave_features};

}  // namespace ddls::sampling
