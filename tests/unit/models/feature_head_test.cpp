// A ratio on the features of a frozen network: values, units and gradients against what the network is, and files that
// are not the one of the weights.
#include "models/feature_head.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/script.h>

#include "base/error.hpp"
#include "models/factory.hpp"
#include "models/network.hpp"
#include "models/state.hpp"
#include "scratch_folder.hpp"
#include "tensor/noise.hpp"
#include "test_device.hpp"

namespace ddls::models::feature_head_test {
namespace {

class FeatureHeadTest : public testing::Test {
 protected:
  // (mean of each channel of x / 255, its square) and no logits.
  std::string extractor(const char* name, double factor) {
    torch::jit::Module module("extractor");
    module.define(
        fmt::format("def forward(self, images):\n    m = images.mean([2, 3]) * {} / 255.0\n"
                    "    f = torch.cat([m, m * m], 1)\n    return f, f[:, :0]\n",
                    factor));
    const std::string file = (scratch / name).string();
    module.save(file);
    return file;
  }
  NetworkPtr head(const std::string& file) const {
    config::ModelConfig model;
    model.ratio_architecture = "features";
    model.ratio_extractor = file;
    model.ratio_widths = {5};
    return make_network(model, Role::ratio, {3, 4, 4}, 3);
  }
  test::ScratchFolder scratch;
  const at::Tensor images = tensor::Noise{2}.uniform({0, 6}, 48, 0, Stream::prior).view({6, 3, 4, 4}) * 2 - 1;
};

TEST_F(FeatureHeadTest, OnlyThePerceptronIsTrained) {
  const NetworkPtr network = head(extractor("a.pt", 1));
  EXPECT_TRUE(is_feature_head(*network));
  EXPECT_EQ(parameter_count(*network), 6 * 5 + 5 + 5 + 1);
  EXPECT_EQ(extractor_of(*network).size(), 64U);
}

TEST_F(FeatureHeadTest, FeaturesAreInUnitsOfTheirDeviation) {
  const NetworkPtr network = head(extractor("a.pt", 1));
  measure_features(*network, images);
  const at::Tensor m = ((images + 1) / 2).mean({2, 3}), f = at::cat({m, m * m}, 1);
  const auto buffers = network->named_buffers();
  EXPECT_TRUE(at::allclose(buffers["feature_mean"], f.mean(0), 1e-4, 1e-5));
  EXPECT_TRUE(at::allclose(buffers["feature_scale"], f.std(0, false), 1e-3, 1e-5));
}

TEST_F(FeatureHeadTest, ComputesWhereItIsMoved) {
  const NetworkPtr here = head(extractor("a.pt", 1)), there = head(extractor("a.pt", 1));
  measure_features(*here, images);
  there->to(test::device());
  measure_features(*there, images.to(test::device()));
  const at::Tensor value = there->forward(images.to(test::device()));
  EXPECT_EQ(value.device(), test::device());
  EXPECT_TRUE(at::allclose(value.cpu(), here->forward(images), 1e-4, 1e-5));
}

// The inference graph and autograd, against central differences in float64.
TEST_F(FeatureHeadTest, GradientsPassThroughTheFrozenNetwork) {
  const NetworkPtr network = head(extractor("a.pt", 1));
  measure_features(*network, images);
  network->to(at::kDouble);
  const at::Tensor x = images.to(at::kDouble), leaf = x.clone().requires_grad_(true);
  const at::Tensor slope = torch::autograd::grad({network->forward(leaf).sum()}, {leaf}).front();
  const auto graph = network->inference_graph();
  ASSERT_TRUE(graph.has_value());
  inference::Tape tape({}, true);
  const at::Tensor value = inference::forward_through(*graph, x, tape);
  EXPECT_TRUE(at::allclose(value, network->forward(x).detach(), 1e-9, 1e-12));
  EXPECT_TRUE(at::allclose(inference::vjp_through(*graph, at::ones_like(value), tape), slope, 1e-7, 1e-12));
  at::NoGradGuard no_grad;
  const double step = 1e-6;
  for (const int64_t place : {0, 17, 47}) {
    at::Tensor up = x.clone(), down = x.clone();
    up.view({6, 48}).select(1, place).add_(step);
    down.view({6, 48}).select(1, place).sub_(step);
    const at::Tensor difference = (network->forward(up) - network->forward(down)) / (2 * step);
    EXPECT_TRUE(at::allclose(difference, slope.view({6, 48}).select(1, place), 1e-5, 1e-8)) << place;
  }
}

// Features that grow with every forward: a gradient that is theirs was taken without another.
TEST_F(FeatureHeadTest, OneForwardPerGradient) {
  torch::jit::Module module("extractor");
  module.register_buffer("calls", at::zeros({}));
  module.define(
      "def forward(self, images):\n    self.calls.add_(1)\n    f = images.mean([2, 3]) * self.calls.clone()\n"
      "    return f, f[:, :0]\n");
  module.save((scratch / "counts.pt").string());
  const NetworkPtr network = head((scratch / "counts.pt").string());
  const auto graph = network->inference_graph();
  ASSERT_TRUE(graph.has_value());
  inference::Tape tape({}, true);
  const at::Tensor features = graph->front()->forward(images, tape);
  const at::Tensor slope = graph->front()->vjp(at::ones_like(features), tape);
  EXPECT_NEAR((slope * (images + 1)).sum().item<double>() / features.sum().item<double>(), 1, 1e-4);
}

TEST_F(FeatureHeadTest, WeightsOfAnotherFileAreRefused) {
  const NetworkPtr one = head(extractor("a.pt", 1)), other = head(extractor("b.pt", 2));
  load_state(*other, state_of(*one), "a checkpoint");
  const test::Thrown thrown = test::thrown_by([&] { other->forward(images); });
  EXPECT_EQ(thrown.code, Exit::config);
  EXPECT_TRUE(test::contains(thrown.message, "another file than the one")) << thrown.message;
}

TEST_F(FeatureHeadTest, WhatItIsNotFor) {
  const std::string file = extractor("a.pt", 1);
  EXPECT_THROW(make_feature_head(file, {4}, {2}), Error);
  EXPECT_THROW(make_feature_head((scratch / "none.pt").string(), {4}, {3, 4, 4}), Error);
  config::ModelConfig points;
  points.ratio_architecture = "mlp";
  const test::Thrown thrown = test::thrown_by([&] { make_network(points, Role::ratio, {3, 4, 4}, 1); });
  EXPECT_TRUE(test::contains(thrown.message, "model.ratio_architecture mlp takes points")) << thrown.message;
}

}  // namespace
}  // namespace ddls::models::feature_head_test
