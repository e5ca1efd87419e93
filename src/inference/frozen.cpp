#include "inference/frozen.hpp"

#include <ATen/ATen.h>

#include <fmt/format.h>

#include "inference/private_operators.hpp"

namespace ddls::inference {
namespace {

bool usable_for(const at::Tensor& weight) {
  return weight.is_cpu() && weight.scalar_type() == at::kFloat && private_operators::problem().empty();
}

// oneDNN reaches twice the rate of MKL's products on AMD processors with AVX-512 and the same elsewhere, but takes some
// 50 us more per call.
bool product_pays(const at::Tensor& weight) {
  constexpr int64_t worth_it = 4096;
  return usable_for(weight) && at::get_cpu_capability() == "AVX512" && weight.numel() >= worth_it;
}

}  // namespace

FrozenProduct::FrozenProduct(const at::Tensor& weight, const at::Tensor& bias, Algorithm algorithm)
    : onednn_(algorithm == Algorithm::faster ? product_pays(weight) : algorithm == Algorithm::onednn),
      multiply_adds_(weight.numel()),
      bias_(bias) {
  if (onednn_)
    weight_ = private_operators::prepare_linear(weight);
  else
    weight_ = weight.t().contiguous();
}

at::Tensor FrozenProduct::operator()(const at::Tensor& x) const {
  if (onednn_) return private_operators::linear(x, weight_, bias_);
  return bias_.defined() ? at::addmm(bias_, x, weight_) : at::mm(x, weight_);
}

OperationWork FrozenProduct::work() const {
  return {.kind = "dense",
          .algorithm = onednn_ ? "oneDNN" : "ATen",
          .plain_multiply_adds = multiply_adds_,
          .multiply_adds = multiply_adds_,
          .weight_bytes = multiply_adds_ * weight_.element_size()};
}

FrozenConvolution::FrozenConvolution(const ConvolutionMap& map, Activation activation)
    : map_(map), shape_(map.weight.sizes().vec()), activation_(activation) {
  if (map.weight.size(2) == 1 && map.stride == 1 && map.padding == 0 && !map.transposed) {
    product_.emplace(map.weight.flatten(1), map.bias);
    map_.weight.reset();
    return;
  }
  if (winograd::pays_for(map.weight, map.stride, map.padding, map.weight.scalar_type()))
    winograd_kernels_ = {map.transposed ? winograd::Result::big : winograd::Result::small,
                         winograd::transformed(map.weight.to(at::kDouble), map.stride).to(map.weight.scalar_type())};
  if (!usable_for(map.weight)) return;
  const private_operators::Geometry geometry{map.stride, map.padding};
  onednn_weight_ = map.transposed ? private_operators::prepare_transposed(map.weight, geometry)
                                  : private_operators::prepare_convolution(map.weight, geometry);
  map_.weight.reset();
}

at::Tensor FrozenConvolution::by_winograd(const at::Tensor& x) const {
  if (map_.transposed) return activation_.apply(winograd::small_to_big(x, winograd_kernels_, map_.bias));
  using Kind = Activation::Kind;
  if (activation_.kind == Kind::relu || activation_.kind == Kind::leaky_relu)
    return winograd::big_to_small(x, winograd_kernels_, {.bias = map_.bias, .slope = activation_.slope});
  return activation_.apply(winograd::big_to_small(x, winograd_kernels_, {.bias = map_.bias}));
}

// oneDNN's 1x1 convolutions on prepared weights are ten times slower than its products at some sizes.
at::Tensor FrozenConvolution::by_product(const at::Tensor& x) const {
  const at::Tensor y = (*product_)(x.permute({0, 2, 3, 1}).flatten(0, 2));
  return y.view({x.size(0), x.size(2), x.size(3), y.size(1)}).permute({0, 3, 1, 2});
}

bool FrozenConvolution::takes_winograd(at::IntArrayRef x) const {
  const int64_t to_small = map_.transposed ? 1 : map_.stride;
  const bool even = x[2] % to_small == 0 && x[3] % to_small == 0;
  return winograd_kernels_.defined() && even && winograd::tiles_fit(x[2] / to_small, x[3] / to_small);
}

OperationWork FrozenConvolution::work(at::IntArrayRef x) const {
  const int64_t kernel = shape_[2], pairs = shape_[0] * shape_[1];
  const auto small = [&](int64_t side) {
    return map_.transposed ? side : (side + 2 * map_.padding - kernel) / map_.stride + 1;
  };
  const int64_t positions = small(x[2]) * small(x[3]);
  const bool winograd = takes_winograd(x), onednn = onednn_weight_.defined();
  const at::Tensor& plain = onednn ? onednn_weight_ : map_.weight;
  if (product_) {
    OperationWork work = product_->work();
    work.kind = "convolution 1x1";
    work.multiply_adds *= positions;
    work.plain_multiply_adds = std::max<int64_t>(1, map_.published_taps) * work.multiply_adds;
    return work;
  }
  const int64_t taps = map_.published_taps > 0 ? map_.published_taps : kernel * kernel;
  return {.kind = fmt::format("{}convolution {}x{}{}", map_.transposed ? "transposed " : "", kernel, kernel,
                              map_.stride > 1 ? fmt::format(" stride {}", map_.stride) : ""),
          .algorithm = winograd ? "Winograd"
                       : onednn ? "oneDNN"
                                : "ATen",
          .plain_multiply_adds = taps * pairs * positions,
          // A tile of 2x2 positions takes one product per plane of its kernels.
          .multiply_adds = winograd ? winograd_kernels_.numel * positions / 4 : kernel * kernel * pairs * positions,
          .weight_bytes = (winograd ? winograd_kernels_.numel : plain.numel()) * plain.element_size()};
}

at::Tensor FrozenConvolution::operator()(const at::Tensor& x) const {
  if (product_) return activation_.apply(by_product(x));
  if (takes_winograd(x.sizes())) return by_winograd(x);
  if (!onednn_weight_.defined()) {
    const int64_t padding[] = {map_.padding, map_.padding}, stride[] = {map_.stride, map_.stride};
    at::Tensor y = map_.transposed ? at::conv_transpose2d(x, map_.weight, map_.bias, stride, padding)
                                   : at::conv2d(x, map_.weight, map_.bias, stride, padding);
    return activation_.apply(std::move(y));
  }
  const private_operators::Geometry geometry{map_.stride, map_.padding};
  return map_.transposed
             ? private_operators::transposed_convolution(x, onednn_weight_, map_.bias, geometry, activation_)
             : private_operators::convolution(x, onednn_weight_, map_.bias, geometry, activation_);
}

ConvolutionMap adjoint(const ConvolutionMap& map) {
  const int64_t last = map.weight.size(2) - 1;
  if (map.transposed || map.stride > 1)
    return {.weight = map.weight,
            .bias = {},
            .stride = map.stride,
            .padding = map.padding,
            .transposed = !map.transposed,
            .published_taps = map.published_taps};
  // With stride 1 that is a convolution too, by the kernel turned by 180 degrees, and convolutions are the faster kind.
  return {.weight = map.weight.flip({2, 3}).transpose(0, 1).contiguous(at::MemoryFormat::ChannelsLast),
          .bias = {},
          .stride = 1,
          .padding = last - map.padding,
          .published_taps = map.published_taps};
}

}  // namespace ddls::inference
