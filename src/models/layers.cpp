#include "models/layers.hpp"

#include <ATen/ATen.h>

#include "base/error.hpp"

namespace ddls {
namespace {

at::Tensor unit(const at::Tensor& vector) { return vector / vector.norm().clamp_min(1e-12); }

// Autocast would take sigma in bfloat16: 0.4 % off, and the Lipschitz constant with it.
struct NoAutocast {
  c10::impl::ExcludeDispatchKeyGuard guard{c10::autocast_dispatch_keyset};
};

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
  const NoAutocast no_autocast;
  return at::dot(u_, at::mv(matrix(), v_));
}

at::Tensor Layer::weight() const {
  if (!spectral()) return weight_;
  const NoAutocast no_autocast;
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
  at::Tensor y = at::conv2d(x, weight(), bias_, stride_, padding_);
  multiply_adds_ = weight_.numel() * y.size(2) * y.size(3);
  return y;
}

TransposedConvolution::TransposedConvolution(int64_t from, int64_t to, int64_t kernel, int64_t stride, int64_t padding,
                                             LayerOptions options)
    : Layer({from, to, kernel, kernel}, 1, to, options), stride_(stride), padding_(padding) {}

at::Tensor TransposedConvolution::forward(const at::Tensor& x) {
  multiply_adds_ = weight_.numel() * x.size(2) * x.size(3);
  return at::conv_transpose2d(x, weight(), bias_, stride_, padding_);
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

}  // namespace ddls
