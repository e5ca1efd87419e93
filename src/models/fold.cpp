#include "models/fold.hpp"

#include <ATen/ATen.h>

#include "base/error.hpp"

namespace ddls::models {
namespace {

struct Wide {
  at::Tensor weight, bias;  // float64; the bias may be undefined
};

Wide wide(const Layer& layer) {
  Wide w{layer.raw_weight().detach().to(at::kDouble, /*non_blocking=*/false, /*copy=*/true), {}};
  if (layer.spectral()) w.weight = w.weight / layer.sigma().detach().to(at::kDouble);
  if (layer.bias().defined()) w.bias = layer.bias().detach().to(at::kDouble, /*non_blocking=*/false, /*copy=*/true);
  return w;
}

// The norm takes the place of the bias and scales the outputs, which lie along `output_axis`.
void absorb(Wide& w, const inference::FeatureMap* norm, int64_t output_axis) {
  if (norm == nullptr) return;
  inference::FeatureMap map = *norm;
  const int64_t repeats = w.weight.size(output_axis) / map.scale.size(0);
  if (repeats > 1) map = {map.scale.repeat({repeats}), map.shift.repeat({repeats})};
  std::vector<int64_t> shape(static_cast<size_t>(w.weight.dim()), 1);
  shape[static_cast<size_t>(output_axis)] = -1;
  w.weight = w.weight * map.scale.view(shape);
  w.bias = w.bias.defined() ? w.bias * map.scale + map.shift : map.shift;
}

at::Tensor rounded(const at::Tensor& t, at::ScalarType type) { return t.defined() ? t.to(type) : t; }

}  // namespace

inference::DenseMap fold(const Dense& layer) { return fold(layer, layer.raw_weight().scalar_type()); }

inference::DenseMap fold(const Dense& layer, at::ScalarType type, const inference::FeatureMap* norm) {
  Wide w = wide(layer);
  absorb(w, norm, 0);
  return {rounded(w.weight, type), rounded(w.bias, type)};
}

inference::ConvolutionMap fold(const Convolution& layer, at::ScalarType type, const inference::FeatureMap* norm,
                               inference::SideChange change) {
  Wide w = wide(layer);
  absorb(w, norm, 0);
  const int64_t kernel = layer.raw_weight().size(2);
  inference::ConvolutionMap map{.weight = {}, .bias = {}, .stride = layer.stride(), .padding = layer.padding()};
  if (change != inference::SideChange::none && kernel > 1) {
    const bool doubling = change == inference::SideChange::doubled;
    w.weight = merged_kernel(w.weight, doubling);
    if (doubling) w.weight = w.weight.transpose(0, 1);
    map = {.weight = {}, .bias = {}, .stride = 2, .padding = 1, .transposed = doubling};
  }
  if (change != inference::SideChange::none) map.published_taps = 4 * kernel * kernel;  // it works on the larger image
  map.weight = rounded(w.weight, type).contiguous(at::MemoryFormat::ChannelsLast);
  map.bias = rounded(w.bias, type);
  return map;
}

inference::ConvolutionMap fold(const TransposedConvolution& layer, at::ScalarType type,
                               const inference::FeatureMap* norm) {
  Wide w = wide(layer);
  absorb(w, norm, 1);
  return {.weight = rounded(w.weight, type).contiguous(at::MemoryFormat::ChannelsLast),
          .bias = rounded(w.bias, type),
          .stride = layer.stride(),
          .padding = layer.padding(),
          .transposed = true};
}

}  // namespace ddls::models
