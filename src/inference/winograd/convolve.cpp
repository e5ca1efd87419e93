#include "inference/winograd/convolve.hpp"

#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <optional>

#include "inference/winograd/winograd.hpp"

namespace ddls::inference {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// of ATen, which can be differentiated again
struct PlainGradients {
  at::Tensor x, weight;
};

PlainGradients plain_gradients(const at::Tensor& dy, const at::Tensor& x, const at::Tensor& weight, bool transposed,
                               std::array<bool, 2> wanted) {
  const int64_t stride = weight.size(2) - 2;
  const auto [dx, dw, db] = at::convolution_backward(dy, x, weight, std::nullopt, {stride, stride}, {1, 1}, {1, 1},
                                                     transposed, {0, 0}, 1, {wanted[0], wanted[1], false});
  return {dx, dw};
}

template <bool transposed>
struct WinogradConvolution : torch::autograd::Function<WinogradConvolution<transposed>> {
  // A bias that is not there is no tensor: autograd refuses undefined ones.
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& weight,
                            const std::optional<at::Tensor>& given_bias) {
    const at::Tensor bias = given_bias.value_or(at::Tensor());
    ctx->saved_data["bias"] = bias.defined();
    const at::Tensor kernels = winograd::transformed(weight, weight.size(2) - 2);
    ctx->save_for_backward({x, weight, kernels});
    return transposed ? winograd::small_to_big(x, {winograd::Result::big, kernels}, bias)
                      : winograd::big_to_small(x, {winograd::Result::small, kernels}, {.bias = bias});
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    const at::Tensor& dy = gradients[0];
    const variable_list saved = ctx->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1], &kernels = saved[2];
    const std::array<bool, 2> wanted{ctx->needs_input_grad(0), ctx->needs_input_grad(1)};
    at::Tensor dx, dw, db;
    if (at::GradMode::is_enabled()) {
      PlainGradients plain = plain_gradients(dy, x, weight, transposed, wanted);
      dx = plain.x, dw = plain.weight;
    } else {
      if (wanted[0])
        dx = transposed ? winograd::big_to_small(dy, {winograd::Result::small, kernels})
                        : winograd::small_to_big(dy, {winograd::Result::big, kernels});
      if (wanted[1]) dw = transposed ? winograd::weight_gradient(dy, x) : winograd::weight_gradient(x, dy);
    }
    if (ctx->saved_data["bias"].toBool() && ctx->needs_input_grad(2)) db = dy.sum({0, 2, 3});
    return {dx, dw, db};
  }
};

std::optional<at::Tensor> if_defined(const at::Tensor& tensor) {
  return tensor.defined() ? std::optional(tensor) : std::nullopt;
}

// Under autocast ATen computes in bfloat16.
bool by_winograd(const at::Tensor& x, const at::Tensor& weight, int64_t stride, int64_t padding) {
  return x.scalar_type() == at::kFloat && !at::autocast::is_autocast_enabled(at::kCPU) &&
         winograd::pays_for(weight, stride, padding);
}

}  // namespace

at::Tensor convolve(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, int64_t stride,
                    int64_t padding) {
  if (by_winograd(x, weight, stride, padding) && winograd::tiles_fit(x.size(2) / stride, x.size(3) / stride))
    return WinogradConvolution<false>::apply(x, weight, if_defined(bias));
  return at::conv2d(x, weight, bias, stride, padding);
}

at::Tensor convolve_transposed(const at::Tensor& y, const at::Tensor& weight, const at::Tensor& bias, int64_t stride,
                               int64_t padding) {
  if (stride == 2 && by_winograd(y, weight, stride, padding) && winograd::tiles_fit(y.size(2), y.size(3)))
    return WinogradConvolution<true>::apply(y, weight, if_defined(bias));
  return at::conv_transpose2d(y, weight, bias, stride, padding);
}

}  // namespace ddls::inference
