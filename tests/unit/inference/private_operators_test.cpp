// The wheel that this is built with has the operators as they are known: otherwise everything would run, more slowly,
// by ATen.
#include "inference/private_operators.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace ddls::inference::private_operators_test {
namespace {

double relative(const at::Tensor& a, const at::Tensor& b) { return ((a - b).norm() / b.norm()).item<double>(); }

TEST(PrivateOperators, AreThoseOfThisTorch) { EXPECT_EQ(private_operators::problem(), ""); }

TEST(PrivateOperators, AgreeWithAten) {
  const at::Tensor x = at::randn({4, 16, 8, 8}).contiguous(at::MemoryFormat::ChannelsLast), bias = at::randn({24});
  const at::Tensor w = at::randn({24, 16, 3, 3}).contiguous(at::MemoryFormat::ChannelsLast);
  const private_operators::Geometry geometry{.stride = 2, .padding = 1};
  const at::Tensor y = private_operators::convolution(x, private_operators::prepare_convolution(w, geometry), bias,
                                                      geometry, leaky_activation(0.1));
  EXPECT_LT(relative(y, at::leaky_relu(at::conv2d(x, w, bias, 2, 1), 0.1)), 1e-5);

  const at::Tensor v = at::randn({16, 24, 4, 4}).contiguous(at::MemoryFormat::ChannelsLast);
  const at::Tensor up = private_operators::transposed_convolution(x, private_operators::prepare_transposed(v, geometry),
                                                                  bias, geometry, tanh_activation);
  EXPECT_LT(relative(up, at::tanh(at::conv_transpose2d(x, v, bias, 2, 1))), 1e-5);

  const at::Tensor rows = at::randn({5, 40}), m = at::randn({7, 40}), b = at::randn({7});
  EXPECT_LT(relative(private_operators::linear(rows, private_operators::prepare_linear(m), b), at::linear(rows, m, b)),
            1e-5);
}

}  // namespace
}  // namespace ddls::inference::private_operators_test
