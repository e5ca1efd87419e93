#include "models/layers.hpp"

#include <ATen/ATen.h>

#include "base/error.hpp"
#include "inference/convolve.hpp"
#include "tensor/no_autocast.hpp"

namespace ddls::models {
namespace {

at::Tensor unit(const at::Tensor& vector) { return vector / vector.norm().clamp_min(1e-12); }

at::Tensor empty_weight(at::IntArrayRef shape) {
  return at::zeros(shape).contiguous(shape.size() == 4 ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous);
}

}  // namespace

Layer::Layer(at::IntArrayRef weight_shape, int64_t output_axis, int64_t bias_size, const LayerOptions& options)
    : output_axis_(output_axis) {
  weight_ = register_parameter("weight", empty_weight(weight_shape));
  if (options.bias) bias_ = register_parameter("bias", at::zeros({bias_size}));
  if (!options.spectral) return;
  const int64_t outputs = weight_shape[output_axis];
  u_ = register_buffer("u", at::zeros({outputs}));
  v_ = register_buffer("v", at::zeros({weight_.numel() / outputs}));
}

at::Tensor Layer::matrix() const {
  if (weight_.dim() == 2) return weight_;
  const at::Tensor by_memory = weight_.permute({0, 2, 3, 1});  // of channels-last weights a contiguous view
  return output_axis_ == 0 ? by_memory.flatten(1) : by_memory.flatten(0, 2).t();
}

at::Tensor Layer::sigma() const {
  ensure(spectral(), "a layer without spectral normalisation was asked for its sigma");
  const tensor::NoAutocast no_autocast;
  return at::dot(u_, at::mv(matrix(), v_));
}

at::Tensor Layer::weight() const {
  if (!spectral()) return weight_;
  const tensor::NoAutocast no_autocast;
  return weight_ / sigma();
}

void Layer::set_u(const at::Tensor& direction) {
  at::NoGradGuard no_grad;
  u_.copy_(unit(direction));
  v_.copy_(unit(at::mv(matrix().t(), u_)));
}

void Layer::power_iteration() {
  at::NoGradGuard no_grad;
  const at::Tensor w = matrix();
  v_.copy_(unit(at::mv(w.t(), u_)));
  u_.copy_(unit(at::mv(w, v_)));
}

Convolution::Convolution(int64_t from, int64_t to, int64_t kernel, int64_t stride, int64_t padding,
                         LayerOptions options)
    : Layer({to, from, kernel, kernel}, 0, to, options), stride_(stride), padding_(padding) {}

at::Tensor Convolution::forward(const at::Tensor& x) {
  at::Tensor y = inference::convolve(x, weight(), bias_, stride_, padding_);
  multiply_adds_ = weight_.numel() * y.size(2) * y.size(3);
  return y;
}

// Per dimension, tap t of the merged kernel is a sum of taps k of the 3-tap kernel. Doubling: input i reaches outputs
// 2 i + a + 1 - k for a = 0, 1, which is tap t = a + 2 - k of a transposed convolution with stride 2 and padding 1.
// Halving: output j takes inputs 2 j + b + k - 1 for b = 0, 1 with weight 1/2, which is tap t = b + k.
at::Tensor merged_kernel(const at::Tensor& w, bool doubling) {
  static const at::Tensor doubled = at::tensor({0., 0., 1., 0., 1., 1., 1., 1., 0., 1., 0., 0.}).view({4, 3});
  static const at::Tensor halved = at::tensor({1., 0., 0., 1., 1., 0., 0., 1., 1., 0., 0., 1.}).view({4, 3}) / 2;
  static const at::Tensor both_doubled = at::kron(doubled, doubled), both_halved = at::kron(halved, halved);  // [16, 9]
  const tensor::NoAutocast no_autocast;
  const at::Tensor taps = w.permute({0, 2, 3, 1}).reshape({w.size(0), 9, w.size(1)});
  const at::Tensor merged = at::matmul((doubling ? both_doubled : both_halved).to(w.options()), taps);
  return merged.view({w.size(0), 4, 4, w.size(1)}).permute({0, 3, 1, 2});
}

at::Tensor Convolution::forward_doubled(const at::Tensor& x) {
  const auto enlarged = [](const at::Tensor& t) { return at::upsample_nearest2d(t, {2 * t.size(2), 2 * t.size(3)}); };
  multiply_adds_ = weight_.numel() * 4 * x.size(2) * x.size(3);
  if (weight_.size(2) == 1) return enlarged(at::conv2d(x, weight(), bias_));
  ensure(weight_.size(2) == 3 && stride_ == 1 && padding_ == 1, "doubling is merged into 3x3 kernels of stride 1 only");
  if (!x.is_cpu()) return at::conv2d(enlarged(x), weight(), bias_, 1, 1);
  return inference::convolve_transposed(x, merged_kernel(weight(), true).transpose(0, 1), bias_, 2, 1);
}

at::Tensor Convolution::forward_halved(const at::Tensor& x) {
  multiply_adds_ = weight_.numel() * x.size(2) * x.size(3);
  if (weight_.size(2) == 1) return at::conv2d(at::avg_pool2d(x, 2), weight(), bias_);
  ensure(weight_.size(2) == 3 && stride_ == 1 && padding_ == 1, "halving is merged into 3x3 kernels of stride 1 only");
  if (!x.is_cpu()) return at::avg_pool2d(at::conv2d(x, weight(), bias_, 1, 1), 2);
  return inference::convolve(x, merged_kernel(weight(), false), bias_, 2, 1);
}

TransposedConvolution::TransposedConvolution(int64_t from, int64_t to, int64_t kernel, int64_t stride, int64_t padding,
                                             LayerOptions options)
    : Layer({from, to, kernel, kernel}, 1, to, options), stride_(stride), padding_(padding) {}

at::Tensor TransposedConvolution::forward(const at::Tensor& x) {
  multiply_adds_ = weight_.numel() * x.size(2) * x.size(3);
  return inference::convolve_transposed(x, weight(), bias_, stride_, padding_);
}

Dense::Dense(int64_t from, int64_t to, LayerOptions options) : Layer({to, from}, 0, to, options) {}

at::Tensor Dense::forward(const at::Tensor& x) {
  multiply_adds_ = weight_.numel();
  return at::linear(x, weight(), bias_);
}

Embedding::Embedding(int64_t classes, int64_t dim, bool spectral)
    : Layer({classes, dim}, 0, 0, {.bias = false, .spectral = spectral}) {}

at::Tensor Embedding::forward(const at::Tensor& labels) {
  ensure(labels.defined(), "a conditional network was called without labels");
  return at::embedding(weight(), labels);
}

}  // namespace ddls::models
