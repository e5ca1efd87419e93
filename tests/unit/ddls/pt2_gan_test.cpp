// A GAN of a .pt2 archive whose log-ratio is known: the values and gradients of all its functions, and archives whose
// description is not theirs.
#include "ddls/pt2_gan.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/json.hpp"
#include "ddls/pt2_description.hpp"
#include "tensor/noise.hpp"

namespace ddls::sampling::pt2_gan_test {
namespace {

const fs::path fixture =
    fs::path(DDLS_TEST_DATA) / "gaussian_ratio.pt2";  // make_pt2_fixture.py: x = A z, z ~ N(m, s^2 I)

at::Tensor mean() { return at::tensor({0.6, -0.3}, at::kDouble); }
at::Tensor a() { return at::tensor({2.0, 0.5, 0.0, 1.0}, at::kDouble).view({2, 2}); }
constexpr double s = 0.5;

at::Tensor log_ratio(const at::Tensor& z) {
  return 0.5 * z.square().sum(1) - (z - mean()).square().sum(1) / (2 * s * s) - 2 * std::log(s);
}

at::Tensor slope(const at::Tensor& z) { return z - (z - mean()) / (s * s); }

void expect_close(const at::Tensor& given, const at::Tensor& expected) {
  EXPECT_LT((given.to(at::kDouble) - expected).abs().max().item<double>(),
            1e-5 * std::max(1.0, expected.abs().max().item<double>()));
}

class Pt2Gan : public testing::Test {
 protected:
  ForeignGan load(const std::string& prior = "normal") {
    config::ModelConfig model = model_of_pt2(archive, {});
    model.prior = prior;
    return load_pt2_gan(archive, model, at::kCPU);
  }
  const tensor::Pt2Archive archive = tensor::open_pt2(fixture, "--generator");
  at::Tensor z = tensor::Noise{3}.normal({0, 20}, 2, 0, Stream::prior);
};

TEST_F(Pt2Gan, TheArchiveSaysWhatTheModelIs) {
  config::ModelConfig model;
  model.latent_dim = 7;
  EXPECT_THROW(model_of_pt2(archive, model), Error);
  model = {};
  model.classes = 3;
  EXPECT_THROW(model_of_pt2(archive, model), Error);
  EXPECT_EQ(model_of_pt2(archive, {}).latent_dim, 2);
}

TEST_F(Pt2Gan, ValuesAndGradients) {
  const ForeignGan gan = load();
  EXPECT_EQ(gan.sample_shape, std::vector<int64_t>{2});
  const Evaluation e = gan.target.evaluate(z);
  const at::Tensor exact = z.to(at::kDouble);
  expect_close(e.log_ratio, log_ratio(exact));
  expect_close(e.grad_log_ratio, slope(exact));
  expect_close(gan.target.log_ratio(z), log_ratio(exact));
  expect_close(gan.target.decode(z), at::matmul(exact, a().t()));
}

TEST_F(Pt2Gan, AnotherPrior) {
  const ForeignGan gan = load("uniform");
  const at::Tensor leaf = z.to(at::kDouble).requires_grad_(true);
  const at::Tensor r = log_ratio(latent_of(Prior::uniform, leaf));
  const Evaluation e = gan.target.evaluate(z);
  expect_close(e.log_ratio, r.detach());
  expect_close(e.grad_log_ratio, torch::autograd::grad({r.sum()}, {leaf}).front());
}

// Samples are rated, with their gradient; a correction goes back through the generator.
TEST_F(Pt2Gan, ScoresOfSamples) {
  const ForeignGan gan = load();
  const at::Tensor x = gan.target.decode(z).requires_grad_(true);
  const at::Tensor scores = gan.target.score_by(x, {});
  const at::Tensor gradient = torch::autograd::grad({scores.sum()}, {x}).front();
  expect_close(scores.detach(), log_ratio(z.to(at::kDouble)));
  expect_close(gradient, at::matmul(slope(z.to(at::kDouble)), at::linalg_inv(a())));
  RatioCorrection correction;
  correction.slopes = at::full({1}, 0.5f);
  correction.term = [](const at::Tensor& samples, const at::Tensor&) { return samples.square().sum(1); };
  const Evaluation e = gan.target.corrected(correction).evaluate(z);
  const at::Tensor exact = z.to(at::kDouble), image = at::matmul(exact, a().t());
  expect_close(e.log_ratio, 0.5 * log_ratio(exact) + image.square().sum(1));
  expect_close(e.grad_log_ratio, 0.5 * slope(exact) + 2 * at::matmul(image, a()));
}

TEST_F(Pt2Gan, DescriptionsThatAreWrong) {
  const auto verdict = [&](const std::string& pointer, const Json& value) {
    tensor::Pt2Archive changed = archive;
    Json json = Json::parse(archive.description);
    json[Json::json_pointer(pointer)] = value;
    changed.description = json.dump();
    try {
      description_of(changed);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Exit::data) << error.what();
      return std::string(error.what());
    }
    return std::string("fine");
  };
  const auto says = [&](const std::string& pointer, const Json& value, const char* text) {
    EXPECT_NE(verdict(pointer, value).find(text), std::string::npos) << verdict(pointer, value);
  };
  EXPECT_EQ(verdict("/told", "nothing"), "fine");
  says("/format", "other", "'format'");
  says("/version", 2, "'version' is not 1");
  says("/latent_dim", 0, "'latent_dim' is 0");
  says("/latent_dim", 3, "'latents' is not 3 rows of 3 numbers");
  says("/latent_dim", "two", "'latent_dim'");
  says("/classes", 3, "'labels'");
  says("/prior", "cauchy", "'prior' is 'cauchy'");
  says("/sample_shape", {2, 8, 8}, "'sample_shape' is [2, 8, 8]");
  says("/sample_shape", {3, 8, 8}, "'range'");
  says("/sample_shape", Json::array(), "'sample_shape'");
  says("/tolerance", 0.5, "'tolerance'");
  says("/self_test", 1, "self_test");
  says("/self_test/log_ratio/1", "x", "'log_ratio' is not a list of 3 numbers");
  says("/self_test/sample_at/0", 9, "outside a sample's 2 values");
}

}  // namespace
}  // namespace ddls::sampling::pt2_gan_test
