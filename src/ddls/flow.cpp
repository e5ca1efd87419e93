#include "ddls/flow.hpp"

#include <ATen/ATen.h>

#include <cmath>

#include "tensor/noise.hpp"

namespace ddls::sampling {
namespace {

constexpr double largest_log_scale = 2;

// A random half of the coordinates, and the others.
at::Tensor masks_of(const FlowShape& shape, uint64_t seed) {
  at::Tensor masks = at::zeros({shape.couplings, shape.dim}, at::kDouble);
  for (int64_t i = 0; i < shape.couplings; ++i) {
    const at::Tensor u = tensor::Noise{seed}.uniform({i / 2, i / 2 + 1}, shape.dim, 0, Stream::init).squeeze(0);
    const at::Tensor half = u.argsort().narrow(0, 0, shape.dim / 2);
    masks[i].index_fill_(0, half, 1);
    if (i % 2 == 1) masks[i] = 1 - masks[i];
  }
  return masks;
}

}  // namespace

RealNvp::RealNvp(const FlowShape& shape, uint64_t seed, c10::Device device)
    : shape_(shape), seed_(seed), masks_(masks_of(shape, seed).to(device)) {
  const int64_t in = shape.dim + shape.classes, w = shape.width;
  per_coupling_ = (in + 1) * w + (w + 1) * w + (w + 1) * 2 * shape.dim;
  parameters_ = per_coupling_ * shape.couplings;
}

at::Tensor RealNvp::initial() const {
  const int64_t in = shape_.dim + shape_.classes, w = shape_.width;
  at::Tensor all = at::zeros({parameters_}, at::kDouble);
  for (int64_t i = 0; i < shape_.couplings; ++i) {
    at::Tensor part = all.narrow(0, i * per_coupling_, per_coupling_);
    const auto fill = [&](int64_t at, int64_t inputs, int64_t layer) {
      const at::Tensor n = tensor::Noise{seed_}.normal({i, i + 1}, inputs * w, 1 + layer, Stream::init).squeeze(0);
      part.narrow(0, at, inputs * w).copy_(n / std::sqrt(static_cast<double>(inputs)));
    };
    fill(0, in, 0);
    fill((in + 1) * w, w, 1);  // the last layer stays 0
  }
  return all.to(masks_.device());
}

RealNvp::ScaleShift RealNvp::coupling(const at::Tensor& parameters, int64_t index, const at::Tensor& x,
                                      const at::Tensor& labels) const {
  const at::Tensor mask = masks_[index];
  at::Tensor h = x * mask;
  if (shape_.classes > 0) {
    const at::Tensor classes = at::arange(shape_.classes, at::TensorOptions(at::kLong).device(x.device()));
    h = at::cat({h, (labels.unsqueeze(1) == classes).to(at::kDouble)}, 1);
  }
  int64_t at = index * per_coupling_;
  const auto layer = [&](const at::Tensor& input, int64_t outputs) {
    const int64_t inputs = input.size(1);
    const at::Tensor weight = parameters.narrow(0, at, inputs * outputs).view({inputs, outputs});
    const at::Tensor bias = parameters.narrow(0, at + inputs * outputs, outputs);
    at += (inputs + 1) * outputs;
    return at::addmm(bias, input, weight);
  };
  h = at::silu(layer(h, shape_.width));
  h = at::silu(layer(h, shape_.width));
  h = layer(h, 2 * shape_.dim) * (1 - mask).repeat({2});
  return {at::tanh(h.narrow(1, 0, shape_.dim)) * largest_log_scale, h.narrow(1, shape_.dim, shape_.dim)};
}

RealNvp::Mapped RealNvp::forward(const at::Tensor& parameters, const at::Tensor& x, const at::Tensor& labels) const {
  at::Tensor y = x.to(at::kDouble), log_det = at::zeros({x.size(0)}, y.options());
  for (int64_t i = 0; i < shape_.couplings; ++i) {
    const ScaleShift c = coupling(parameters, i, y, labels);
    y = y * c.log_scale.exp() + c.shift;
    log_det = log_det + c.log_scale.sum(1);
  }
  return {y, log_det};
}

RealNvp::Mapped RealNvp::inverse(const at::Tensor& parameters, const at::Tensor& z, const at::Tensor& labels) const {
  at::Tensor x = z.to(at::kDouble), log_det = at::zeros({z.size(0)}, x.options());
  for (int64_t i = shape_.couplings; i-- > 0;) {
    const ScaleShift c = coupling(parameters, i, x, labels);  // the mask's part is the same before and after
    x = (x - c.shift) * (-c.log_scale).exp();
    log_det = log_det - c.log_scale.sum(1);
  }
  return {x, log_det};
}

at::Tensor RealNvp::log_density(const at::Tensor& parameters, const at::Tensor& z, const at::Tensor& labels) const {
  const Mapped back = inverse(parameters, z, labels);
  return -0.5 * back.to.square().sum(1) + back.log_det;
}

}  // namespace ddls::sampling
