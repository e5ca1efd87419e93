#include "models/layers.hpp"

#include <gtest/gtest.h>
#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include "models/spectral_norm.hpp"
#include "tensor/noise.hpp"
#include "test_device.hpp"

namespace ddls::models::layers_test {
namespace {

at::Tensor draws(at::IntArrayRef shape, int64_t id = 0) {
  const int64_t count = c10::multiply_integers(shape);
  return tensor::Noise{7}.normal({id, id + 1}, count, 0, Stream::init, test::device()).view(shape);
}

// Walks over modules need them in shared pointers; these live to the end of the program.
template <typename L>
std::shared_ptr<L> keep(std::shared_ptr<L> layer) {
  static std::vector<std::shared_ptr<L>> kept;
  layer->to(test::device());
  kept.push_back(layer);
  return layer;
}

template <typename L>
void fill(L& layer, int64_t id) {
  at::NoGradGuard no_grad;
  at::Tensor weight = layer.raw_weight();
  weight.copy_(draws(weight.sizes(), id));
  layer.set_u(draws({layer.outputs()}, id + 100));
}

constexpr LayerOptions with_sn{.bias = true, .spectral = true};

// The matrix whose largest singular value spectral norm means: [outputs, rest].
at::Tensor as_matrix(const Layer& layer, bool transposed) {
  const at::Tensor w = layer.raw_weight().detach();
  return (transposed ? w.transpose(0, 1) : w).flatten(1);
}

TEST(SpectralNorm, SigmaIsTheLargestSingularValue) {
  Convolution& convolution = *keep(std::make_shared<Convolution>(3, 8, 3, 1, 1, with_sn));
  TransposedConvolution& transposed = *keep(std::make_shared<TransposedConvolution>(6, 4, 4, 2, 1, with_sn));
  Dense& dense = *keep(std::make_shared<Dense>(10, 5, with_sn));
  Embedding& embedding = *keep(std::make_shared<Embedding>(7, 12, true));
  const auto check = [](Layer& layer, bool is_transposed, int64_t id) {
    fill(layer, id);
    settle_spectral_norm(layer, 300);
    const double largest = at::linalg_svdvals(as_matrix(layer, is_transposed)).max().item<double>();
    EXPECT_NEAR(layer.sigma().item<double>(), largest, 1e-4 * largest);
    EXPECT_EQ(spectral_norms(layer).size(), 1u);
    EXPECT_NEAR(spectral_norms(layer)[0], largest, 1e-4 * largest);
    const at::Tensor normalised = layer.weight().detach();
    EXPECT_TRUE(at::allclose(normalised, layer.raw_weight() / largest, 1e-3, 1e-5));
  };
  check(convolution, false, 1);
  check(transposed, true, 2);
  check(dense, false, 3);
  check(embedding, false, 4);
}

TEST(SpectralNorm, OneIterationByHand) {
  Dense& dense = *keep(std::make_shared<Dense>(4, 3, with_sn));
  fill(dense, 1);
  const at::Tensor w = dense.raw_weight().detach(), u = dense.named_buffers()["u"].clone();
  power_iteration(dense);
  at::Tensor v = at::mv(w.t(), u);
  v = v / v.norm();
  at::Tensor next = at::mv(w, v);
  next = next / next.norm();
  EXPECT_TRUE(at::allclose(dense.named_buffers()["v"], v, 0, 1e-6));
  EXPECT_TRUE(at::allclose(dense.named_buffers()["u"], next, 0, 1e-6));
}

TEST(SpectralNorm, ForwardsNeverMoveUOrV) {
  Convolution& layer = *keep(std::make_shared<Convolution>(3, 4, 3, 1, 1, with_sn));
  fill(layer, 1);
  const at::Tensor u = layer.named_buffers()["u"].clone(), v = layer.named_buffers()["v"].clone();
  for (const bool training : {true, false}) {
    layer.train(training);
    const at::Tensor x = draws({2, 3, 5, 5});
    EXPECT_TRUE(at::equal(layer.forward(x), layer.forward(x)));
    EXPECT_TRUE(at::equal(layer.named_buffers()["u"], u) && at::equal(layer.named_buffers()["v"], v));
  }
}

TEST(SpectralNorm, EqualStatesStayEqual) {
  Convolution& a = *keep(std::make_shared<Convolution>(3, 4, 3, 1, 1, with_sn));
  Convolution& b = *keep(std::make_shared<Convolution>(3, 4, 3, 1, 1, with_sn));
  fill(a, 1), fill(b, 1);
  for (int i = 0; i < 5; ++i) power_iteration(a), power_iteration(b);
  EXPECT_TRUE(at::equal(a.named_buffers()["u"], b.named_buffers()["u"]));
}

// d/dW of sum(c * forward(x)) with u, v held, by central differences in float64.
template <typename L>
void expect_gradient_by_differences(L& layer, const at::Tensor& input) {
  fill(layer, 1);
  layer.to(at::kDouble);
  power_iteration(layer);
  const at::Tensor x = input.to(at::kDouble);
  const at::Tensor weights = draws(layer.forward(x).sizes(), 50).to(at::kDouble);
  const auto value = [&] { return (weights * layer.forward(x)).sum(); };
  const at::Tensor gradient = torch::autograd::grad({value()}, {layer.raw_weight()}).front();
  at::NoGradGuard no_grad;
  at::Tensor w = layer.raw_weight();
  const at::Tensor direction = draws(w.sizes(), 60).to(at::kDouble);
  const double h = 1e-5;
  w.add_(direction, h);
  const double up = value().template item<double>();
  w.add_(direction, -2 * h);
  const double down = value().template item<double>();
  const double expected = (up - down) / (2 * h);
  EXPECT_NEAR((gradient * direction).sum().template item<double>(), expected, 1e-7 * std::abs(expected) + 1e-8);
}

TEST(SpectralNorm, TheGradientFlowsThroughW) {
  Convolution& convolution = *keep(std::make_shared<Convolution>(3, 4, 3, 1, 1, with_sn));
  TransposedConvolution& transposed = *keep(std::make_shared<TransposedConvolution>(3, 4, 4, 2, 1, with_sn));
  Dense& dense = *keep(std::make_shared<Dense>(6, 5, with_sn));
  expect_gradient_by_differences(convolution, draws({2, 3, 6, 6}));
  expect_gradient_by_differences(transposed, draws({2, 3, 6, 6}));
  expect_gradient_by_differences(dense, draws({4, 6}));
}

// The derivative along W of |d/dx tanh(layer(x))|^2: what a gradient penalty needs.
TEST(SpectralNorm, SecondDerivatives) {
  Convolution& layer = *keep(std::make_shared<Convolution>(2, 3, 3, 1, 1, with_sn));
  fill(layer, 1);
  layer.to(at::kDouble);
  const at::Tensor x = draws({2, 2, 5, 5}).to(at::kDouble).requires_grad_(true);
  const auto penalty = [&] {
    const at::Tensor y = at::tanh(layer.forward(x)).sum();
    return torch::autograd::grad({y}, {x}, {}, true, true).front().square().sum();
  };
  const at::Tensor gradient = torch::autograd::grad({penalty()}, {layer.raw_weight()}).front();
  const at::Tensor direction = draws(gradient.sizes(), 60).to(at::kDouble);
  const auto shifted = [&](double h) {
    at::NoGradGuard no_grad;
    at::Tensor w = layer.raw_weight();
    w.add_(direction, h);
  };
  const double h = 1e-5;
  shifted(h);
  const double up = penalty().item<double>();
  shifted(-2 * h);
  const double down = penalty().item<double>();
  EXPECT_NEAR((gradient * direction).sum().item<double>(), (up - down) / (2 * h), 1e-6 * std::abs(up));
}

// The merged kernels against the plain way, in float64: outputs and gradients.
TEST(Layers, ChangesOfSideAreMergedExactly) {
  for (const int64_t kernel : {3, 1}) {
    Convolution& layer = *keep(std::make_shared<Convolution>(3, 5, kernel, 1, kernel / 2, with_sn));
    fill(layer, 1);
    {
      at::NoGradGuard no_grad;
      at::Tensor bias = layer.bias();
      bias.copy_(draws({5}, 2));
    }
    layer.to(at::kDouble);
    const at::Tensor x = draws({2, 3, 6, 4}).to(at::kDouble).requires_grad_(true);
    const auto compare = [&](const at::Tensor& merged, int64_t count, const at::Tensor& plain) {
      EXPECT_TRUE(at::allclose(merged, plain, 1e-12, 1e-12)) << kernel;
      EXPECT_EQ(count, layer.multiply_adds());
      const at::Tensor weights = draws(plain.sizes(), 9).to(at::kDouble);
      const std::vector<at::Tensor> leaves{x, layer.raw_weight(), layer.bias()};
      const auto ours = torch::autograd::grad({(merged * weights).sum()}, leaves);
      const auto theirs = torch::autograd::grad({(plain * weights).sum()}, leaves);
      for (size_t i = 0; i < leaves.size(); ++i) EXPECT_TRUE(at::allclose(ours[i], theirs[i], 1e-11, 1e-11)) << i;
    };
    const at::Tensor doubled = layer.forward_doubled(x);
    const int64_t of_doubled = layer.multiply_adds();
    compare(doubled, of_doubled, layer.forward(at::upsample_nearest2d(x, {12, 8})));
    const at::Tensor halved = layer.forward_halved(x);
    const int64_t of_halved = layer.multiply_adds();
    compare(halved, of_halved, at::avg_pool2d(layer.forward(x), 2));
  }
}

TEST(Layers, MultiplyAddsOfOneSample) {
  Convolution& convolution = *keep(std::make_shared<Convolution>(3, 8, 3, 2, 1));
  convolution.forward(at::zeros({5, 3, 8, 8}, test::there()));
  EXPECT_EQ(convolution.multiply_adds(), 3 * 8 * 9 * 16);
  TransposedConvolution& transposed = *keep(std::make_shared<TransposedConvolution>(8, 4, 4, 2, 1));
  transposed.forward(at::zeros({2, 8, 3, 3}, test::there()));
  EXPECT_EQ(transposed.multiply_adds(), 8 * 4 * 16 * 9);
  Dense& dense = *keep(std::make_shared<Dense>(6, 5));
  dense.forward(at::zeros({9, 6}, test::there()));
  EXPECT_EQ(dense.multiply_adds(), 30);
}

}  // namespace
}  // namespace ddls::models::layers_test
