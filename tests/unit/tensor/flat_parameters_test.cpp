#include "tensor/flat_parameters.hpp"

#include <gtest/gtest.h>
#include <ATen/ATen.h>
#include <torch/nn/modules/activation.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>

#include "base/error.hpp"

namespace ddls::tensor::flat_parameters_test {
namespace {

struct Net : torch::nn::Module {
  Net() {
    at::manual_seed(3);
    conv = register_module("conv", torch::nn::Conv2d(torch::nn::Conv2dOptions(3, 5, 3).padding(1)));
    linear = register_module("linear", torch::nn::Linear(5, 1));
  }
  at::Tensor forward(const at::Tensor& x) { return linear(at::relu(conv(x)).mean({2, 3})); }
  torch::nn::Conv2d conv{nullptr};
  torch::nn::Linear linear{nullptr};
};

at::Tensor input() { return at::linspace(-1, 1, 2 * 3 * 4 * 4).reshape({2, 3, 4, 4}); }

std::string error_of(const FlatParameters& flat) {
  try {
    flat.check_views();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Exit::internal);
    return error.what();
  }
  return {};
}

TEST(FlatParameters, KeepsValuesAndAlignsSlices) {
  Net net, same;
  FlatParameters flat(net);
  const auto wanted = same.named_parameters();
  EXPECT_EQ(flat.slices().size(), wanted.size());
  for (const ParameterSlice& slice : flat.slices()) {
    EXPECT_EQ(slice.offset % 16, 0) << slice.name;  // 64 bytes
    EXPECT_TRUE(at::equal(slice.parameter, *wanted.find(slice.name))) << slice.name;
    EXPECT_EQ(slice.parameter.data_ptr(), flat.values().data_ptr<float>() + slice.offset);
  }
  EXPECT_TRUE(at::equal(net.forward(input()), same.forward(input())));
  EXPECT_FALSE(flat.values().requires_grad());
  EXPECT_EQ(error_of(flat), "");
}

TEST(FlatParameters, BackwardAccumulatesIntoTheBuffer) {
  Net net, same;
  FlatParameters flat(net);
  same.forward(input()).sum().backward();
  for (int repeat = 0; repeat < 2; ++repeat) {
    flat.zero_gradients();
    net.forward(input()).sum().backward();
    EXPECT_EQ(error_of(flat), "");
    for (const ParameterSlice& slice : flat.slices()) {
      const at::Tensor wanted = same.named_parameters().find(slice.name)->grad();
      EXPECT_TRUE(at::equal(slice.parameter.grad(), wanted)) << slice.name;
    }
  }
  EXPECT_GT(flat.gradients().abs().sum().item<float>(), 0);
}

TEST(FlatParameters, WritingTheBufferMovesTheNetwork) {
  Net net;
  FlatParameters flat(net);
  flat.values().fill_(0.5);
  EXPECT_TRUE(at::equal(net.linear->weight, at::full({1, 5}, 0.5)));
}

TEST(FlatParameters, KeepsChannelsLast) {
  Net net, same;
  for (auto& parameter : net.conv->parameters()) {
    if (parameter.dim() == 4) parameter.set_data(parameter.contiguous(at::MemoryFormat::ChannelsLast));
  }
  FlatParameters flat(net);
  EXPECT_TRUE(net.conv->weight.is_contiguous(at::MemoryFormat::ChannelsLast));
  EXPECT_TRUE(at::equal(net.conv->weight, same.conv->weight));
  net.forward(input()).sum().backward();
  EXPECT_EQ(error_of(flat), "");
}

TEST(FlatParameters, NoticesAGradientThatLeft) {
  Net net;
  FlatParameters flat(net);
  net.zero_grad();
  EXPECT_NE(error_of(flat).find("gradient of conv.weight"), std::string::npos) << error_of(flat);
}

TEST(FlatParameters, NoticesAGraphOfGradients) {
  Net net;
  FlatParameters flat(net);
  net.forward(input()).sum().backward({}, std::nullopt, /*create_graph=*/true);
  EXPECT_NE(error_of(flat).find("left the flat buffer"), std::string::npos);
}

TEST(FlatParameters, NoticesAConvertedModule) {
  Net net;
  FlatParameters flat(net);
  net.linear->to(at::kDouble);
  EXPECT_NE(error_of(flat).find("parameter linear.weight"), std::string::npos) << error_of(flat);
}

TEST(FlatParameters, DigestTellsEveryBit) {
  Net net, same;
  FlatParameters flat(net), twin(same);
  EXPECT_EQ(flat.digest(), twin.digest());
  flat.values()[7] += 1e-6;
  EXPECT_NE(flat.digest(), twin.digest());
}

TEST(FlatParameters, ANetworkWithoutParameters) {
  torch::nn::ReLU nothing;
  FlatParameters flat(*nothing);
  EXPECT_EQ(flat.values().numel(), 0);
  flat.zero_gradients();
  EXPECT_EQ(error_of(flat), "");
}

}  // namespace
}  // namespace ddls::tensor::flat_parameters_test
