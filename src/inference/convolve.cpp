#include "inference/convolve.hpp"

#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <optional>

#include "inference/patches.hpp"
#include "inference/winograd/winograd.hpp"
#include "tensor/no_autocast.hpp"

namespace ddls::inference {
namespace {

using patches::Output;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

int64_t stride_of(const at::Tensor& weight) { return weight.size(2) - 2; }
int64_t position_count(const at::Tensor& image) { return image.size(2) * image.size(3); }

// A way computes some of three things: the small image, the big one, the weight's gradient. What it does not take is
// ATen's. `prepared` is made of the weight once for all three.
struct ByWinograd {
  static bool takes(Output, const at::Tensor&, int64_t, at::ScalarType) { return true; }
  static at::Tensor prepared(const at::Tensor& weight, at::ScalarType type) {
    const tensor::NoAutocast no_autocast;  // rounded once, after the transform
    return winograd::transformed(weight, stride_of(weight)).to(type);
  }
  static at::Tensor plain(const at::Tensor& weight, const at::Tensor&) { return weight; }  // not used: it takes all
  static at::Tensor to_small(const at::Tensor& x, const at::Tensor& prepared, const at::Tensor& bias = {}) {
    return winograd::big_to_small(x, {winograd::Result::small, prepared}, {.bias = bias});
  }
  static at::Tensor to_big(const at::Tensor& y, const at::Tensor& prepared, const at::Tensor& bias = {}) {
    return winograd::small_to_big(y, {winograd::Result::big, prepared}, bias);
  }
  static at::Tensor weight_gradient(const at::Tensor& x, const at::Tensor& dy) {
    return winograd::weight_gradient(x, dy);
  }
};

struct ByPatches {
  static bool takes(Output output, const at::Tensor& weight, int64_t positions, at::ScalarType type) {
    return patches::pays_for(output, weight.sizes(), positions, type);
  }
  static at::Tensor prepared(const at::Tensor& weight, at::ScalarType type) {
    return weight.to(type).contiguous(at::MemoryFormat::ChannelsLast);  // at once is slow where it lies otherwise
  }
  static at::Tensor plain(const at::Tensor&, const at::Tensor& prepared) { return prepared; }
  static at::Tensor to_small(const at::Tensor& x, const at::Tensor& prepared, const at::Tensor& bias = {}) {
    return patches::big_to_small(x, prepared, bias);
  }
  static at::Tensor to_big(const at::Tensor& y, const at::Tensor& prepared, const at::Tensor& bias = {}) {
    return patches::small_to_big(y, prepared, bias);
  }
  static at::Tensor weight_gradient(const at::Tensor& x, const at::Tensor& dy) {
    return patches::weight_gradient(x, dy);
  }
};

// of ATen, which can be differentiated again
struct PlainGradients {
  at::Tensor x, weight;
};

PlainGradients plain_gradients(const at::Tensor& dy, const at::Tensor& x, const at::Tensor& weight, bool transposed,
                               std::array<bool, 2> wanted) {
  if (!wanted[0] && !wanted[1]) return {};
  const int64_t stride = stride_of(weight);
  const auto [dx, dw, db] = at::convolution_backward(dy, x, weight, std::nullopt, {stride, stride}, {1, 1}, {1, 1},
                                                     transposed, {0, 0}, 1, {wanted[0], wanted[1], false});
  return {dx, dw};
}

// The weight may be of a wider type than x, and its gradient is then, too.
template <typename Way, bool transposed>
struct DifferentiableConvolution : torch::autograd::Function<DifferentiableConvolution<Way, transposed>> {
  // A bias that is not there is no tensor: autograd refuses undefined ones.
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& weight,
                            const std::optional<at::Tensor>& given_bias) {
    const at::Tensor bias = given_bias ? given_bias->to(x.scalar_type()) : at::Tensor();
    ctx->saved_data["bias"] = bias.defined();
    const at::Tensor prepared = Way::prepared(weight, x.scalar_type());
    ctx->save_for_backward({x, weight, prepared});
    const int64_t stride = stride_of(weight);
    if constexpr (transposed) {
      if (Way::takes(Output::big, weight, position_count(x), x.scalar_type())) return Way::to_big(x, prepared, bias);
      return at::conv_transpose2d(x, Way::plain(weight, prepared), bias, stride, 1);
    } else {
      const int64_t positions = position_count(x) / (stride * stride);
      if (Way::takes(Output::small, weight, positions, x.scalar_type())) return Way::to_small(x, prepared, bias);
      return at::conv2d(x, Way::plain(weight, prepared), bias, stride, 1);
    }
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    const at::Tensor& dy = gradients[0];
    const variable_list saved = ctx->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1], &prepared = saved[2];
    const at::Tensor &big = transposed ? dy : x, &small = transposed ? x : dy;
    const bool again = at::GradMode::is_enabled();
    const std::array<bool, 2> wanted{ctx->needs_input_grad(0), ctx->needs_input_grad(1)};
    const auto takes = [&](Output output) {
      return !again && Way::takes(output, weight, position_count(small), x.scalar_type());
    };
    const bool our_dx = wanted[0] && takes(transposed ? Output::small : Output::big);
    const bool our_dw = wanted[1] && takes(Output::kernel);
    const at::Tensor plain_weight = again ? weight.to(x.scalar_type()) : Way::plain(weight, prepared);
    auto [dx, dw] = plain_gradients(dy, x, plain_weight, transposed, {wanted[0] && !our_dx, wanted[1] && !our_dw});
    if (our_dx) dx = transposed ? Way::to_small(dy, prepared) : Way::to_big(dy, prepared);
    if (our_dw) dw = Way::weight_gradient(big, small);
    if (dw.defined()) dw = dw.to(weight.scalar_type());
    at::Tensor db;
    if (ctx->saved_data["bias"].toBool() && ctx->needs_input_grad(2)) db = dy.sum({0, 2, 3});
    return {dx, dw, db};
  }
};

std::optional<at::Tensor> if_defined(const at::Tensor& tensor) {
  return tensor.defined() ? std::optional(tensor) : std::nullopt;
}

// What autocast makes of images that ATen's convolutions are given.
at::ScalarType type_of(const at::Tensor& x) {
  const bool autocast = x.is_cpu() && at::autocast::is_autocast_enabled(at::kCPU);
  return autocast && x.scalar_type() != at::kDouble ? at::autocast::get_autocast_dtype(at::kCPU) : x.scalar_type();
}

bool of_patches(const at::Tensor& x, const at::Tensor& weight, int64_t stride, int64_t padding) {
  return x.is_cpu() && padding == 1 && weight.size(2) == stride + 2 && (stride == 1 || stride == 2);
}

}  // namespace

at::Tensor convolve(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, int64_t stride,
                    int64_t padding) {
  const int64_t height = x.size(2) / stride, width = x.size(3) / stride;
  const at::ScalarType type = type_of(x);
  const bool even = x.size(2) % stride == 0 && x.size(3) % stride == 0;
  if (even && winograd::pays_for(weight, stride, padding, type) && winograd::tiles_fit(height, width))
    return DifferentiableConvolution<ByWinograd, false>::apply(x.to(type), weight, if_defined(bias));
  if (even && of_patches(x, weight, stride, padding) &&
      patches::pays_for(Output::kernel, weight.sizes(), height * width, type))
    return DifferentiableConvolution<ByPatches, false>::apply(x.to(type), weight, if_defined(bias));
  return at::conv2d(x, weight, bias, stride, padding);
}

at::Tensor convolve_transposed(const at::Tensor& y, const at::Tensor& weight, const at::Tensor& bias, int64_t stride,
                               int64_t padding) {
  const at::ScalarType type = type_of(y);
  if (stride == 2 && winograd::pays_for(weight, stride, padding, type) && winograd::tiles_fit(y.size(2), y.size(3)))
    return DifferentiableConvolution<ByWinograd, true>::apply(y.to(type), weight, if_defined(bias));
  // Whether any of it pays or not: oneDNN's gradient of a bias takes twice as long as that of the weight.
  if (stride == 2 && type == at::kBFloat16 && of_patches(y, weight, stride, padding))
    return DifferentiableConvolution<ByPatches, true>::apply(y.to(type), weight, if_defined(bias));
  return at::conv_transpose2d(y, weight, bias, stride, padding);
}

}  // namespace ddls::inference
