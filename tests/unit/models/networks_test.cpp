#include <gtest/gtest.h>
#include <torch/script.h>
#include <ATen/ATen.h>
#include <torch/nn/modules/batchnorm.h>

#include "base/error.hpp"
#include "models/batch_norm.hpp"
#include "models/classifier.hpp"
#include "models/factory.hpp"
#include "models/initialise.hpp"
#include "models/losses.hpp"
#include "models/network.hpp"
#include "models/state.hpp"
#include "tensor/image_io.hpp"
#include "tensor/noise.hpp"
#include "unit/models/made_network.hpp"

namespace ddls::models::networks_test {
namespace {

config::ModelConfig dcgan() {
  config::ModelConfig m;
  m.architecture = "dcgan";
  m.latent_dim = 8;
  m.generator_widths = {16, 8};
  m.discriminator_widths = m.ratio_widths = {8, 16};
  m.ratio_hidden = 24;
  return m;
}

at::Tensor latents(int64_t n, int64_t k) {
  return tensor::Noise{1}.normal({0, n}, k, 0, Stream::prior, test::device());
}

TEST(Factory, ShapesAndParameterCounts) {
  const SampleShape image{1, 28, 28};
  const NetworkPtr g = test::make_network(dcgan(), Role::generator, image, 1);
  EXPECT_EQ(g->forward(latents(3, 8)).sizes(), (std::vector<int64_t>{3, 1, 28, 28}));
  // linear 8*16*49, norms 2*16 + 2*8, up 16*8*16, last 8*4*9 + 4
  EXPECT_EQ(parameter_count(*g), 8 * 16 * 49 + 2 * 16 + 2 * 8 + 16 * 8 * 16 + 8 * 4 * 9 + 4);
  const NetworkPtr d = test::make_network(dcgan(), Role::discriminator, image, 1);
  EXPECT_EQ(d->forward(at::zeros({3, 1, 28, 28}, test::there())).sizes(), (std::vector<int64_t>{3}));
  // conv 4*8*9 + 8, conv 8*16*16 + 16, linear 16*49 + 1
  EXPECT_EQ(parameter_count(*d), 4 * 8 * 9 + 8 + 8 * 16 * 16 + 16 + 16 * 49 + 1);
  const NetworkPtr rgb = test::make_network(dcgan(), Role::generator, {3, 32, 32}, 1);
  EXPECT_EQ(rgb->forward(latents(2, 8)).sizes(), (std::vector<int64_t>{2, 3, 32, 32}));
  config::ModelConfig paper;  // the public reproduction's 2-256-256-256-2 and 2-512-512-512-1
  paper.generator_widths = {256, 256, 256};
  paper.discriminator_widths = {512, 512, 512};
  EXPECT_EQ(parameter_count(*test::make_network(paper, Role::generator, {2}, 1)),
            2 * 256 + 256 + 2 * (256 * 256 + 256) + 256 * 2 + 2);
  EXPECT_EQ(parameter_count(*test::make_network(paper, Role::discriminator, {2}, 1)),
            2 * 512 + 512 + 2 * (512 * 512 + 512) + 512 + 1);
}

TEST(Factory, RefusesWhatDoesNotFit) {
  EXPECT_THROW(test::make_network(dcgan(), Role::generator, {2}, 1), Error);
  EXPECT_THROW(test::make_network(dcgan(), Role::generator, {1, 30, 30}, 1), Error);  // 30 cannot be halved twice
  EXPECT_THROW(test::make_network(config::ModelConfig{}, Role::generator, {1, 28, 28}, 1), Error);
}

TEST(Factory, WeightsDependOnSeedAndRoleAlone) {
  const auto digest = [](Role role, uint64_t seed) {
    return digest_of(*test::make_network(dcgan(), role, {1, 28, 28}, seed));
  };
  EXPECT_EQ(digest(Role::generator, 1), digest(Role::generator, 1));
  EXPECT_NE(digest(Role::generator, 1), digest(Role::generator, 2));
  const NetworkPtr d = test::make_network(dcgan(), Role::discriminator, {1, 28, 28}, 1);
  const at::Tensor w = d->named_parameters()["down1.weight"];
  EXPECT_NEAR(w.std().item<double>(), 0.02, 0.002);
  EXPECT_EQ(d->named_parameters()["down1.bias"].abs().max().item<double>(), 0);
}

TEST(BatchNorm, AgreesWithTorchInTrainingAndGradient) {
  BatchNorm ours(4);
  torch::nn::BatchNorm2d theirs(4);
  const at::Tensor x = latents(6 * 5 * 5, 4).view({6, 5, 5, 4}).permute({0, 3, 1, 2}).contiguous() * 3 + 1;
  at::Tensor a = x.clone().requires_grad_(true), b = x.clone().requires_grad_(true);
  const at::Tensor ya = ours.forward(a), yb = theirs->forward(b);
  EXPECT_TRUE(at::allclose(ya, yb, 1e-6, 1e-6));
  (ya * ya.detach()).pow(3).sum().backward();
  (yb * yb.detach()).pow(3).sum().backward();
  EXPECT_TRUE(at::allclose(a.grad(), b.grad(), 1e-4, 1e-5));
}

TEST(BatchNorm, MeasuredStatisticsAreThoseOfTheDraws) {
  const NetworkPtr g = test::make_network(dcgan(), Role::generator, {1, 28, 28}, 1);
  const at::Tensor z = latents(64, 8);
  measure_statistics(
      *g, [&](const at::Tensor& b) { return g->forward(b); }, 2, [&](int64_t i) { return z.narrow(0, i * 32, 32); });
  EXPECT_FALSE(g->is_training());
  const at::Tensor h = at::linear(z, g->named_parameters()["linear.weight"]).view({64, 7, 7, 16}).to(at::kDouble);
  const at::Tensor first = h.narrow(0, 0, 32), second = h.narrow(0, 32, 32);
  EXPECT_TRUE(at::allclose(g->named_buffers()["norm0.mean"].to(at::kDouble), h.mean({0, 1, 2}), 1e-5, 1e-6));
  EXPECT_TRUE(at::allclose(g->named_buffers()["norm0.variance"].to(at::kDouble),
                           (first.var({0, 1, 2}, false) + second.var({0, 1, 2}, false)) / 2, 1e-5, 1e-8));
  // In eval mode an image depends on its own latent alone.
  at::NoGradGuard no_grad;
  const at::Tensor whole = g->forward(z);
  at::Tensor changed = z.clone();
  changed.narrow(0, 1, 63).zero_();
  EXPECT_TRUE(at::equal(g->forward(changed)[0], whole[0]));
}

TEST(State, RoundTripsAndNamesWhatDoesNotFit) {
  const NetworkPtr a = test::make_network(dcgan(), Role::generator, {1, 28, 28}, 1),
                   b = test::make_network(dcgan(), Role::generator, {1, 28, 28}, 2);
  load_state(*b, state_of(*a), "a");
  EXPECT_EQ(digest_of(*a), digest_of(*b));
  tensor::NamedTensors state = state_of(*a);
  state.erase("last.bias");
  try {
    load_state(*b, state, "file.safetensors");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Exit::data);
    EXPECT_NE(std::string(e.what()).find("file.safetensors: no tensor 'last.bias'"), std::string::npos) << e.what();
  }
  state = state_of(*a);
  state["extra"] = at::zeros({1}, test::there());
  EXPECT_THROW(load_state(*b, state, "f"), Error);
  state = state_of(*a);
  state["last.bias"] = at::zeros({5}, test::there());
  EXPECT_THROW(load_state(*b, state, "f"), Error);
}

TEST(Classifier, TorchScriptComputesTheSame) {
  Classifier c({1, 28, 28}, {4, 8, 16}, 10);
  initialise_uniform_fan_in(c, 3, 0);
  const std::string file = ::testing::TempDir() + "classifier_test.pt";
  c.save_torchscript(file);
  torch::jit::Module script = torch::jit::load(file);
  at::NoGradGuard no_grad;
  const at::Tensor u8 = (tensor::Noise{1}.uniform({0, 5}, 784, 0, Stream::prior, test::device()) * 255)
                            .to(at::kByte)
                            .view({5, 1, 28, 28});
  const auto outputs = script.forward({u8}).toTuple();
  EXPECT_EQ(outputs->elements()[0].toTensor().sizes(), (std::vector<int64_t>{5, 16}));
  EXPECT_TRUE(at::allclose(outputs->elements()[1].toTensor(), c.forward(tensor::dequantise(u8)), 1e-5, 1e-6));
}

TEST(Losses, ValuesByHand) {
  const at::Tensor real = at::tensor({2.0F, -1.0F}, test::there()), fake = at::tensor({0.5F, -3.0F}, test::there());
  const auto sp = [](double x) { return std::log1p(std::exp(x)); };
  const double logistic = (sp(-2) + sp(1)) / 2 + (sp(0.5) + sp(-3)) / 2;
  EXPECT_NEAR(gan_loss("non_saturating").discriminator(real, fake).item<double>(), logistic, 1e-6);
  EXPECT_NEAR(gan_loss("non_saturating").generator(fake).item<double>(), (sp(-0.5) + sp(3)) / 2, 1e-6);
  EXPECT_NEAR(gan_loss("minimax").generator(fake).item<double>(), -(sp(0.5) + sp(-3)) / 2, 1e-6);
  EXPECT_NEAR(gan_loss("hinge").discriminator(real, fake).item<double>(), (0.0 + 2.0) / 2 + (1.5 + 0.0) / 2, 1e-6);
  EXPECT_NEAR(gan_loss("hinge").generator(fake).item<double>(), 1.25, 1e-6);
  const GanLoss pairs = gan_loss("relativistic");
  EXPECT_EQ(pairs.generator, nullptr);
  const double by_hand = (sp((fake[0] - real[0]).item<double>()) + sp((fake[1] - real[1]).item<double>())) / 2;
  EXPECT_NEAR(pairs.discriminator(real, fake).item<double>(), by_hand, 1e-6);
  EXPECT_NEAR(pairs.generator_of_pairs(fake, real).item<double>(), by_hand, 1e-6);
  EXPECT_THROW(gan_loss("none"), Error);
}

}  // namespace
}  // namespace ddls::models::networks_test
