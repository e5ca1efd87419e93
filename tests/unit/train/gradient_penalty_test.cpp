#include "train/gradient_penalty.hpp"

#include <gtest/gtest.h>
#include <ATen/ATen.h>

#include "train/autocast.hpp"
#include "train/latents.hpp"
#include "unit/train/finite_differences.hpp"

namespace ddls::train::gradient_penalty_test {
namespace {

using test::gradient_of;

TEST(GradientPenalty, OfALinearScoreIsKnown) {
  const at::Tensor a = at::tensor({3.0, 4.0}, at::kDouble).requires_grad_(true);
  const auto score = [&](const at::Tensor& x) { return x.matmul(a); };
  const at::Tensor real = at::rand({5, 2}, at::kDouble).requires_grad_(true), fake = at::rand({5, 2}, at::kDouble);

  const at::Tensor r1 = r1_penalty(real, score(real));  // |a|^2 / 2
  EXPECT_NEAR(r1.item<double>(), 12.5, 1e-12);
  EXPECT_TRUE(at::allclose(gradient_of(r1, a), a.detach(), 0, 1e-12));

  const at::Tensor gp = interpolation_penalty(score, real, fake, at::rand({5, 1}, at::kDouble));  // (|a| - 1)^2
  EXPECT_NEAR(gp.item<double>(), 16, 1e-9);
  EXPECT_TRUE(at::allclose(gradient_of(gp, a), a.detach() * (2 * 4.0 / 5.0), 0, 1e-9));
}

TEST(GradientPenalty, IsTakenBetweenRealAndFakeOneUPerSample) {
  // score = |x|^2 / 2 has the gradient x: the penalty shows where it was taken.
  const auto score = [](const at::Tensor& x) { return x.square().flatten(1).sum(1) / 2; };
  const at::Tensor real = at::full({2, 1, 1, 2}, 6.0, at::kDouble), fake = at::full({2, 1, 1, 2}, 2.0, at::kDouble);
  const at::Tensor u = at::tensor({0.0, 0.5}, at::kDouble).view({2, 1});
  const double first = 2 * std::sqrt(2.0) - 1, second = 4 * std::sqrt(2.0) - 1;
  EXPECT_NEAR(interpolation_penalty(score, real, fake, u).item<double>(), (first * first + second * second) / 2, 1e-9);
}

TEST(GradientPenalty, AgreesWithFiniteDifferencesOfTheWeights) {
  at::Tensor w = at::rand({4, 3}, at::kDouble).requires_grad_(true);
  const at::Tensor real = at::rand({6, 4}, at::kDouble).requires_grad_(true), fake = at::rand({6, 4}, at::kDouble);
  const at::Tensor u = at::rand({6, 1}, at::kDouble);
  const auto loss = [&] {
    const auto score = [&](const at::Tensor& x) { return at::tanh(x.matmul(w)).square().sum(1); };
    return r1_penalty(real, score(real)) + interpolation_penalty(score, real, fake, u);
  };
  test::expect_gradient_of_differences(loss, w);
}

TEST(Autocast, HoldsForAScopeOnly) {
  const at::Tensor x = at::ones({1, 8, 4, 4}), w = at::ones({8, 8, 1, 1});
  EXPECT_EQ(at::conv2d(x, w).scalar_type(), at::kFloat);
  {
    const Autocast on(true, at::kCPU);
    EXPECT_EQ(at::conv2d(x, w).scalar_type(), at::kBFloat16);
    {
      const Autocast off(false, at::kCPU);
      EXPECT_EQ(at::conv2d(x, w).scalar_type(), at::kFloat);
    }
    EXPECT_EQ(at::conv2d(x, w).scalar_type(), at::kBFloat16);
  }
  EXPECT_EQ(at::conv2d(x, w).scalar_type(), at::kFloat);
}

TEST(Latents, LabelsAreUniformAndBelongToTheirIds) {
  const LatentSource source{tensor::Noise{7}, 3, 4, at::kCPU};
  const at::Tensor all = source.labels({0, 40'000}, 5, Stream::train_latent_g);
  const at::Tensor counts = at::bincount(all, {}, 4);
  ASSERT_EQ(counts.size(0), 4);
  // Binomial(40000, 1/4) has a deviation of 87: five of them.
  EXPECT_LT((counts - 10'000).abs().max().item<int64_t>(), 433);
  EXPECT_TRUE(at::equal(all.narrow(0, 100, 50), source.labels({100, 150}, 5, Stream::train_latent_g)));
  EXPECT_FALSE(at::equal(all.narrow(0, 0, 50), source.labels({0, 50}, 6, Stream::train_latent_g)));
  const at::Tensor labels = source.labels({0, 4000}, 5, Stream::train_latent_g);
  const LatentSource some{tensor::Noise{7}, 3, sampling::DrawnClasses(9, {0, 3, 7, 8}),
                          at::kCPU};  // of nine classes four have samples
  EXPECT_TRUE(at::equal(some.labels({0, 4000}, 5, Stream::train_latent_g),
                        at::tensor({0, 3, 7, 8}, at::kLong).index_select(0, labels)));
  EXPECT_FALSE((LatentSource{tensor::Noise{7}, 3, 0, at::kCPU}.labels({0, 5}, 0, Stream::train_latent_g).defined()));
}

}  // namespace
}  // namespace ddls::train::gradient_penalty_test
