// What training in bfloat16 gets from its layers, by whatever way this processor takes, against ATen in float64.
#include "inference/convolve.hpp"

#include <gtest/gtest.h>
#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include <array>
#include <utility>
#include <vector>

#include "unit/inference/draws.hpp"

namespace ddls::inference::convolve_test {
namespace {

using test::distance;
using test::draws;

// A layer of a GAN and its published sides: both ways that pay on some processor, and what is left to ATen.
struct Layer {
  int64_t side, from, to, kernel, stride;
  bool transposed;
};

const Layer layers[] = {{4, 512, 512, 3, 1, false}, {8, 256, 512, 4, 2, false}, {4, 512, 256, 4, 2, true},
                        {8, 256, 256, 3, 1, false}, {8, 32, 16, 4, 2, true},    {6, 24, 16, 3, 1, false},
                        {8, 3, 16, 3, 1, false},    {7, 256, 256, 4, 2, false}, {9, 256, 256, 4, 2, false},
                        {8, 256, 256, 3, 2, false}};

struct Autocast {
  Autocast() { at::autocast::set_autocast_enabled(at::kCPU, true); }
  ~Autocast() { at::autocast::set_autocast_enabled(at::kCPU, false); }
};

using Tensors = std::vector<at::Tensor>;

Tensors arguments_of(const Layer& layer, bool bias) {
  std::array<int64_t, 4> kernels{layer.to, layer.from, layer.kernel, layer.kernel};
  if (layer.transposed) std::swap(kernels[0], kernels[1]);
  return {draws({6, layer.from, layer.side, layer.side}, 0), draws(kernels, 1) / 50,
          bias ? draws({layer.to}, 2) : at::Tensor()};
}

// The result and the gradients of a loss, and of a gradient's norm where `twice`.
template <typename Convolve>
Tensors results_of(Convolve convolve, Tensors arguments, bool twice) {
  Tensors inputs;
  for (at::Tensor& one : arguments) {
    if (!one.defined()) continue;
    one = one.detach().clone().requires_grad_();
    inputs.push_back(one);
  }
  const at::Tensor y = convolve(arguments[0], arguments[1], arguments[2]);
  at::Tensor value = y.to(at::kDouble).square().sum();
  if (twice) value = torch::autograd::grad({value}, {inputs[0]}, {}, true, true)[0].to(at::kDouble).square().sum();
  Tensors all = torch::autograd::grad({value}, inputs, {}, {}, false, /*allow_unused=*/true);
  all.push_back(y.detach());
  return all;
}

TEST(Convolve, InBfloat16) {
  for (const Layer& layer : layers)
    for (const auto& [bias, twice] : {std::pair(true, false), std::pair(false, false), std::pair(true, true)}) {
      SCOPED_TRACE(testing::Message() << layer.from << " to " << layer.to << ", side " << layer.side << ", kernel "
                                      << layer.kernel << ", twice " << twice);
      const Tensors arguments = arguments_of(layer, bias);
      const auto exact = [&](const at::Tensor& x, const at::Tensor& weight, const at::Tensor& b) {
        return layer.transposed ? at::conv_transpose2d(x, weight, b, layer.stride, 1)
                                : at::conv2d(x, weight, b, layer.stride, 1);
      };
      const auto ours = [&](const at::Tensor& x, const at::Tensor& weight, const at::Tensor& b) {
        const Autocast autocast;
        return layer.transposed ? convolve_transposed(x, weight, b, layer.stride, 1)
                                : convolve(x, weight, b, layer.stride, 1);
      };
      Tensors wide;
      for (const at::Tensor& one : arguments) wide.push_back(one.defined() ? one.to(at::kDouble) : one);
      const Tensors a = results_of(ours, arguments, twice), b = results_of(exact, wide, twice);
      EXPECT_EQ(a.back().scalar_type(), at::kBFloat16);
      for (size_t i = 0; i < b.size(); ++i) {
        if (!b[i].defined()) continue;  // the bias, of the gradient's norm
        EXPECT_LT(distance(a[i], b[i]), 0.02) << i;
        EXPECT_TRUE(i + 1 == b.size() || a[i].scalar_type() == at::kFloat);
      }
    }
}

}  // namespace
}  // namespace ddls::inference::convolve_test
