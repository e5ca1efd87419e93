#include <ATen/ATen.h>

#include <cmath>

#include "ddls/calibration/sample_features.hpp"
#include "base/purpose.hpp"
#include "tensor/noise.hpp"

namespace ddls::sampling {
namespace {

// Two layers of fixed random 3 x 3 filters, each with a ReLU and an average over 2 x 2, and what is left averaged over
// a 4 x 4 grid: textures and where they are, of no training and of no labels.
constexpr int64_t widths[] = {32, 64}, kernel = 3, grid = 4;

SampleFeatures make_convolution_features(const FeatureSource& source) {
  SampleFeatures features;
  std::vector<at::Tensor> filters;
  int64_t from = source.sample[0], layer = 0;
  for (const int64_t to : widths) {
    const std::string name = "filters" + std::to_string(layer);
    const int64_t inputs = from * kernel * kernel;
    const at::Tensor drawn = source.kept != nullptr ? source.kept->at(name)
                                                    : tensor::Noise{derive(source.seed, Purpose::random_filters)}
                                                              .normal({0, to}, inputs, layer, Stream::init)
                                                              .view({to, from, kernel, kernel}) *
                                                          std::sqrt(2.0 / static_cast<double>(inputs));
    features.weights[name] = drawn.cpu().contiguous();
    filters.push_back(drawn.to(source.device));
    from = to;
    ++layer;
  }
  features.of = [filters](const at::Tensor& images) {
    at::Tensor h = images;
    for (const at::Tensor& filter : filters) {
      h = at::relu(at::conv2d(h, filter.to(h.scalar_type()), {}, 1, 1));
      if (h.size(2) >= 2 * grid && h.size(3) >= 2 * grid) h = at::avg_pool2d(h, 2);
    }
    return at::adaptive_avg_pool2d(h, {std::min(grid, h.size(2)), std::min(grid, h.size(3))}).flatten(1);
  };
  return features;
}

}  // namespace

const FeatureKind convolution_features{.name = "convolutions", .make = make_convolution_features};

}  // namespace ddls::sampling
