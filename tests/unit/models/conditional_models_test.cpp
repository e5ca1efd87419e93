#include <gtest/gtest.h>
#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include "base/error.hpp"
#include "models/dropout.hpp"
#include "models/factory.hpp"
#include "models/layers.hpp"
#include "models/network.hpp"
#include "models/orthogonal_penalty.hpp"
#include "models/spectral_norm.hpp"
#include "models/state.hpp"
#include "tensor/noise.hpp"
#include "unit/models/published_models.hpp"
#include "unit/models/made_network.hpp"

namespace ddls::models::conditional_models_test {
namespace {

at::Tensor draws(at::IntArrayRef shape, int64_t id = 0) {
  return tensor::Noise{4}
      .normal({id, id + 1}, c10::multiply_integers(shape), 0, Stream::init, test::device())
      .view(shape);
}

config::ModelConfig small_biggan() {
  config::ModelConfig m = test::biggan(6, {16, 16, 16}, {8, 16, 16}, 2, 8, 4);
  m.embedding_dim = 5;
  return m;
}

TEST(BigGan, ShapesAndLabels) {
  const NetworkPtr g = test::make_network(small_biggan(), Role::generator, {3, 16, 16}, 1);
  const NetworkPtr d = test::make_network(small_biggan(), Role::discriminator, {3, 16, 16}, 1);
  const at::Tensor y = at::tensor({0, 1, 3}, test::there(at::kLong)), z = draws({3, 6});
  const at::Tensor images = g->forward(z, y);
  EXPECT_EQ(images.sizes(), (std::vector<int64_t>{3, 3, 16, 16}));
  EXPECT_FALSE(at::equal(images, g->forward(z, at::zeros_like(y))));
  EXPECT_EQ(d->forward(images, y).sizes(), (std::vector<int64_t>{3}));
  config::ModelConfig wrong = small_biggan();
  wrong.attention_side = 32;
  EXPECT_THROW(test::make_network(wrong, Role::generator, {3, 16, 16}, 1), Error);
  wrong = small_biggan();
  wrong.latent_dim = 7;
  EXPECT_THROW(test::make_network(wrong, Role::generator, {3, 16, 16}, 1), Error);
}

// All but the shared embedding; the last norm and attention's strength have no matrix.
TEST(BigGan, SpectralNormIsEverywhere) {
  const NetworkPtr g = test::make_network(small_biggan(), Role::generator, {3, 16, 16}, 1);
  for (const auto& item : g->named_modules()) {
    const auto* layer = item.value()->as<Layer>();
    if (layer == nullptr) continue;
    EXPECT_EQ(layer->spectral(), item.key() != "embedding") << item.key();
  }
}

// Every part of z reaches the image, each through its own block; attention counts once its strength is not 0.
TEST(BigGan, HierarchicalLatentsAndAttention) {
  const NetworkPtr g = test::make_network(small_biggan(), Role::generator, {3, 16, 16}, 1);
  g->eval();
  const at::Tensor y = at::tensor({2}, test::there(at::kLong)), z = draws({1, 6});
  const at::Tensor base = g->forward(z, y);
  for (int64_t part = 0; part < 3; ++part) {
    at::Tensor moved = z.clone();
    moved.narrow(1, 2 * part, 2).add_(1);
    EXPECT_GT((g->forward(moved, y) - base).abs().max().item<double>(), 1e-6) << part;
  }
  at::NoGradGuard no_grad;
  g->named_parameters()["attention.strength"].fill_(1);
  EXPECT_GT((g->forward(z, y) - base).abs().max().item<double>(), 1e-6);
}

TEST(BigGan, InitialWeightsAreOrthogonal) {
  const NetworkPtr g = test::make_network(small_biggan(), Role::generator, {3, 16, 16}, 1);
  for (const auto& module : g->modules()) {
    const auto* layer = module->as<Layer>();
    if (layer == nullptr) continue;
    const at::Tensor w = layer->raw_weight().detach().flatten(1);
    const at::Tensor product = w.size(0) <= w.size(1) ? at::mm(w, w.t()) : at::mm(w.t(), w);
    EXPECT_LT((product - at::eye(product.size(0), test::there())).abs().max().item<double>(), 1e-5);
  }
}

TEST(OrthogonalPenalty, ValueByHand) {
  const NetworkPtr d =
      test::make_network(test::biggan(6, {16, 16, 16}, {8, 16, 16}, 2, 0, 4), Role::discriminator, {3, 16, 16}, 1);
  double expected = 0;  // of the matrices with more rows than columns, whose rows cannot be orthogonal
  for (const auto& module : d->modules()) {
    const auto* layer = module->as<Layer>();
    if (layer == nullptr || module->as<Embedding>() != nullptr) continue;
    const at::Tensor w = layer->raw_weight().detach().flatten(1), p = at::mm(w, w.t());
    expected += (p - at::diag_embed(p.diagonal())).square().sum().item<double>();
  }
  EXPECT_GT(expected, 1);
  EXPECT_NEAR(orthogonal_penalty(*d).item<double>(), expected, 1e-4 * expected);
}

TEST(OrthogonalPenalty, GradientByHand) {
  const NetworkPtr d =
      test::make_network(test::biggan(6, {16, 16, 16}, {8, 16, 16}, 2, 0, 4), Role::discriminator, {3, 16, 16}, 1);
  d->to(at::kDouble);
  const at::Tensor w = d->named_parameters()["block0.shortcut.weight"];
  const at::Tensor gradient = torch::autograd::grad({orthogonal_penalty(*d)}, {w}).front().flatten(1);
  const at::Tensor m = w.detach().flatten(1), p = at::mm(m, m.t());
  EXPECT_TRUE(at::allclose(gradient, at::mm(p - at::diag_embed(p.diagonal()), m) * 4, 1e-9, 1e-12));
}

// What the penalties of training need: second derivatives through every discriminator, in float64.
TEST(Architectures, SecondDerivativesThroughDiscriminators) {
  config::ModelConfig resnet = test::sn_resnet({16, 8, 8}, {8, 16, 16}, 2, 4), standard = test::sn_dcgan32();
  standard.discriminator_widths = {8, 16};
  config::ModelConfig wgangp = test::wgangp_resnet32();
  wgangp.discriminator_widths = {8, 8, 8};
  config::ModelConfig attention = small_biggan();
  for (const config::ModelConfig& config : {resnet, standard, wgangp, attention}) {
    const NetworkPtr d = test::make_network(config, Role::discriminator, {3, 16, 16}, 1);
    d->to(at::kDouble);
    power_iteration(*d);
    const at::Tensor x = draws({2, 3, 16, 16}).to(at::kDouble).requires_grad_(true);
    const at::Tensor y = config.classes > 0 ? at::tensor({1, 3}, test::there(at::kLong)) : at::Tensor();
    const auto penalty = [&] {
      return torch::autograd::grad({d->forward(x, y).sum()}, {x}, {}, true, true).front().square().sum();
    };
    at::Tensor w = d->parameters().front();
    const at::Tensor gradient = torch::autograd::grad({penalty()}, {w}).front();
    const at::Tensor direction = draws(w.sizes(), 3).to(at::kDouble);
    const auto moved = [&](double by) {
      at::NoGradGuard no_grad;
      w.add_(direction, by);
    };
    constexpr double h = 1e-6;
    moved(h);
    const double up = penalty().item<double>();
    moved(-2 * h);
    const double expected = (up - penalty().item<double>()) / (2 * h);
    EXPECT_NEAR((gradient * direction).sum().item<double>(), expected, 1e-5 * std::abs(expected) + 1e-7 * up)
        << config.architecture;
  }
}

TEST(MlpCgan, LayersOfTheReproduction) {
  const NetworkPtr g = test::make_network(test::mnist_cgan(), Role::generator, {1, 28, 28}, 1);
  const NetworkPtr d = test::make_network(test::mnist_cgan(), Role::discriminator, {1, 28, 28}, 1);
  EXPECT_EQ(parameter_count(*g),
            10 * 16 + 117 * 128 + 129 * 256 + 257 * 512 + 513 * 1024 + 1025 * 784 + 2 * (256 + 512 + 1024));
  EXPECT_EQ(parameter_count(*d), 10 * 16 + 801 * 512 + 2 * 513 * 512 + 513);
  const at::Tensor y = at::tensor({0, 9}, test::there(at::kLong));
  const at::Tensor images = g->forward(draws({2, 100}), y);
  EXPECT_EQ(images.sizes(), (std::vector<int64_t>{2, 1, 28, 28}));
  d->eval();
  EXPECT_EQ(d->forward(images, y).sizes(), (std::vector<int64_t>{2}));
}

TEST(Dropout, MasksBelongToSamplesAndNotToBatches) {
  const NetworkPtr d = test::make_network(test::mnist_cgan(), Role::discriminator, {1, 28, 28}, 1);
  const at::Tensor x = draws({6, 1, 28, 28}), y = at::zeros({6}, test::there(at::kLong));
  EXPECT_THROW(d->forward(x, y), Error);  // no key
  key_dropout(*d, 1, 10, 100);
  const at::Tensor whole = d->forward(x, y), again = d->forward(x, y);
  EXPECT_FALSE(at::equal(whole, again));  // reals and fakes lose other units
  key_dropout(*d, 1, 10, 104);            // the shard that starts with the fifth sample
  EXPECT_TRUE(at::allclose(d->forward(x.narrow(0, 4, 2), y.narrow(0, 4, 2)), whole.narrow(0, 4, 2), 1e-5, 1e-6));
  key_dropout(*d, 1, 11, 100);
  EXPECT_FALSE(at::allclose(d->forward(x, y), whole, 1e-3, 1e-3));
  d->eval();
  EXPECT_TRUE(at::equal(d->forward(x, y), d->forward(x, y)));
}

TEST(Dropout, KeepsTheMean) {
  const auto dropout = std::make_shared<Dropout>(0.25, 1);
  dropout->set_key(1, 0, 0);
  const at::Tensor y = dropout->forward(at::ones({400, 100}, test::there()));
  EXPECT_NEAR(y.mean().item<double>(), 1, 0.02);
  EXPECT_NEAR((y == 0).to(at::kDouble).mean().item<double>(), 0.25, 0.01);
  EXPECT_NEAR(y.max().item<double>(), 1 / 0.75, 1e-6);
}

}  // namespace
}  // namespace ddls::models::conditional_models_test
