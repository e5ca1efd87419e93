// A GAN that is given, as networks of ours: values and gradients of its own score and of one of our ratios behind its
// generator, with and without autograd; what its state is.
#include "ddls/given_gan.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>

#include "base/error.hpp"
#include "base/files.hpp"
#include "ddls/output_noise.hpp"
#include "ddls/target.hpp"
#include "models/factory.hpp"
#include "models/network.hpp"
#include "models/state.hpp"
#include "tensor/noise.hpp"

namespace ddls::sampling::given_gan_test {
namespace {

// make_pt2_fixture.py: x = A z, z ~ N(m, s^2 I) for the data.
const std::string gaussian_file = (fs::path(DDLS_TEST_DATA) / "gaussian_ratio.pt2").string();

config::ModelConfig gaussian_model() {
  config::ModelConfig model;
  model.architecture = "pretrained";
  model.generator = gaussian_file;
  model.ratio_widths = {16, 16};
  return model;
}

at::Tensor stretch() { return at::tensor({2.0, 0.5, 0.0, 1.0}, at::kDouble).view({2, 2}); }

void expect_near(const at::Tensor& given, const at::Tensor& expected) {
  EXPECT_LT((given.to(at::kDouble) - expected.to(at::kDouble)).abs().max().item<double>(),
            2e-5 * std::max(1.0, expected.abs().max().item<double>()));
}

class Given : public testing::Test {
 protected:
  config::ModelConfig model = gaussian_model();
  GivenGan gan = open_given_gan(model, at::kCPU);
  at::Tensor z = tensor::Noise{3}.normal({0, 20}, 2, 0, Stream::prior);

  models::NetworkPtr our_ratio() const { return models::make_network(model, models::Role::ratio, gan.sample_shape, 7); }
};

TEST_F(Given, TheFileSaysWhatTheModelIs) {
  EXPECT_EQ(model.latent_dim, 2);
  EXPECT_EQ(model.ratio_architecture, "mlp");
  EXPECT_EQ(gan.sample_shape, std::vector<int64_t>{2});
  EXPECT_THROW(models::make_network(model, models::Role::generator, {2}, 1), Error);
  model.latent_dim = 3;
  EXPECT_THROW(open_given_gan(model, at::kCPU), Error);
  model.generator = "none.pt2";
  EXPECT_THROW(open_given_gan(model, at::kCPU), Error);
}

// log N(z; m, s^2 I) - log N(z; 0, I)
TEST_F(Given, ItsOwnScore) {
  const at::Tensor m = at::tensor({0.6, -0.3}, at::kDouble), w = z.to(at::kDouble);
  const Evaluation e = make_target(gan.generator, gan.discriminator, 2, at::kCPU).evaluate(z);
  expect_near(e.log_ratio, 0.5 * w.square().sum(1) - (w - m).square().sum(1) / 0.5 - 2 * std::log(0.5));
  expect_near(e.grad_log_ratio, w - (w - m) / 0.25);
}

// r(A z) of our network: its gradient is A^T grad_x r.
TEST_F(Given, OurRatioBehindItsGenerator) {
  const models::NetworkPtr ratio = our_ratio();
  const Target target = make_target(gan.generator, ratio, 2, at::kCPU);
  const at::Tensor x = at::matmul(z, stretch().t().to(at::kFloat)).requires_grad_(true);
  const at::Tensor r = ratio->forward(x);
  const at::Tensor slope = torch::autograd::grad({r.sum()}, {x}).front();
  const Evaluation e = target.evaluate(z);
  expect_near(target.decode(z), x.detach());
  expect_near(e.log_ratio, r.detach());
  expect_near(target.log_ratio(z), r.detach());
  expect_near(e.grad_log_ratio, at::matmul(slope.to(at::kDouble), stretch()));

  RatioCorrection correction;
  correction.slopes = at::full({1}, 0.5F);
  correction.term = [](const at::Tensor& samples, const at::Tensor&) { return samples.square().sum(1); };
  const Evaluation tilted = target.corrected(correction).evaluate(z);
  expect_near(tilted.log_ratio, 0.5 * r.detach() + x.detach().square().sum(1));
  expect_near(tilted.grad_log_ratio,
              at::matmul(0.5 * slope.to(at::kDouble) + 2 * x.detach().to(at::kDouble), stretch()));
}

// As of a tilt that left out all features.
TEST_F(Given, ACorrectionThatIsAConstantHasNoSlope) {
  const Target target = make_target(gan.generator, our_ratio(), 2, at::kCPU);
  RatioCorrection constant;
  constant.slopes = at::full({1}, 0.5F);
  constant.term = [](const at::Tensor& samples, const at::Tensor&) { return at::full({samples.size(0)}, 2.0F); };
  const Evaluation plain = target.evaluate(z), tilted = target.corrected(constant).evaluate(z);
  expect_near(tilted.log_ratio, 0.5 * plain.log_ratio + 2);
  expect_near(tilted.grad_log_ratio, 0.5 * plain.grad_log_ratio);
}

TEST_F(Given, ThroughAutogradItIsTheSame) {
  const models::NetworkPtr ratio = our_ratio();
  const Evaluation by_graph = make_target(gan.generator, ratio, 2, at::kCPU).evaluate(z);
  const Evaluation by_autograd =
      make_target([&](const at::Tensor& w, const at::Tensor& y) { return gan.generator->forward(w, y); },
                  [&](const at::Tensor& x, const at::Tensor& y) { return ratio->forward(x, y); }, 2, at::kCPU)
          .evaluate(z);
  expect_near(by_graph.log_ratio, by_autograd.log_ratio);
  expect_near(by_graph.grad_log_ratio, by_autograd.grad_log_ratio);
}

TEST_F(Given, WithOutputNoise) {
  const models::NetworkPtr ratio = our_ratio();
  const Target target = make_noised_target(gan.generator, ratio, 2, {2}, 0.3, at::kCPU, Prior::normal);
  const at::Tensor w = tensor::Noise{4}.normal({0, 20}, 4, 0, Stream::prior);
  const at::Tensor x =
      (at::matmul(w.narrow(1, 0, 2), stretch().t().to(at::kFloat)) + 0.3 * w.narrow(1, 2, 2)).requires_grad_(true);
  const at::Tensor slope = torch::autograd::grad({ratio->forward(x).sum()}, {x}).front().to(at::kDouble);
  expect_near(target.evaluate(w).grad_log_ratio, at::cat({at::matmul(slope, stretch()), 0.3 * slope}, 1));
}

TEST_F(Given, ItsStateIsTheChecksumOfItsFile) {
  const tensor::NamedTensors state = models::state_of(*gan.generator);
  ASSERT_EQ(state.size(), 1U);
  const at::Tensor bytes = state.at("generator_sha256");
  const std::string text(reinterpret_cast<const char*>(bytes.const_data_ptr<uint8_t>()),
                         static_cast<size_t>(bytes.numel()));
  EXPECT_EQ(text, sha256_of_file(gaussian_file));
  EXPECT_TRUE(gan.generator->parameters().empty());
  EXPECT_NE(models::digest_of(*gan.generator), models::digest_of(*gan.discriminator));
}

}  // namespace
}  // namespace ddls::sampling::given_gan_test
