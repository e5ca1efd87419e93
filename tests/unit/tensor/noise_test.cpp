#include "tensor/noise.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

namespace ddls::tensor::noise_test {
namespace {

TEST(Noise, IsAFunctionOfIdStepAndStream) {
  const Noise noise{5};
  const at::Tensor whole = noise.normal({0, 100}, 7, 3, Stream::langevin);
  EXPECT_TRUE(at::equal(whole.narrow(0, 40, 20), noise.normal({40, 60}, 7, 3, Stream::langevin)));
  EXPECT_FALSE(at::equal(whole, noise.normal({0, 100}, 7, 4, Stream::langevin)));
  EXPECT_FALSE(at::equal(whole, noise.normal({0, 100}, 7, 3, Stream::prior)));
  EXPECT_FALSE(at::equal(whole, Noise{6}.normal({0, 100}, 7, 3, Stream::langevin)));
  // High halves of id, step and seed count, too.
  const int64_t far = int64_t{1} << 32;
  EXPECT_FALSE(at::equal(whole.narrow(0, 0, 1), noise.normal({far, far + 1}, 7, 3, Stream::langevin)));
  EXPECT_FALSE(at::equal(whole.narrow(0, 0, 1), noise.normal({0, 1}, 7, 3 + far, Stream::langevin)));
  EXPECT_FALSE(at::equal(whole, Noise{5 + (uint64_t{1} << 32)}.normal({0, 100}, 7, 3, Stream::langevin)));
}

// Moments of 2^20 draws within 5 standard errors; a fixed seed, so it cannot flicker.
TEST(Noise, NormalMoments) {
  const at::Tensor n = Noise{1}.normal({0, 1 << 18}, 4, 0, Stream::prior).to(at::kDouble);
  const double count = static_cast<double>(n.numel());
  EXPECT_NEAR(n.mean().item<double>(), 0, 5 / std::sqrt(count));
  EXPECT_NEAR(n.square().mean().item<double>(), 1, 5 * std::sqrt(2 / count));
  EXPECT_NEAR(n.pow(4).mean().item<double>(), 3, 5 * std::sqrt(96 / count));
  const at::Tensor covariance = at::cov(n.t());  // columns are independent
  EXPECT_LT((covariance - at::eye(4, at::kDouble)).abs().max().item<double>(), 5 * std::sqrt(2.0 / (1 << 18)));
  EXPECT_TRUE(at::isfinite(n).all().item<bool>());
}

TEST(Noise, UniformMomentsAndRange) {
  const at::Tensor u = Noise{1}.uniform({0, 1 << 18}, 4, 0, Stream::accept).to(at::kDouble);
  const double count = static_cast<double>(u.numel());
  EXPECT_GT(u.min().item<double>(), 0);
  EXPECT_LT(u.max().item<double>(), 1);
  EXPECT_NEAR(u.mean().item<double>(), 0.5, 5 * std::sqrt(1.0 / 12 / count));
  EXPECT_NEAR(u.square().mean().item<double>(), 1.0 / 3, 5 * std::sqrt(4.0 / 45 / count));
}

// From an implementation in Python, apart from ours. Noise is part of what a seed means, so it must not change from
// version to version.
TEST(Noise, GivesTheNumbersItAlwaysGave) {
  const at::Tensor u = Noise{1}.uniform({7, 8}, 5, 3, Stream::accept), n = Noise{1}.normal({7, 8}, 5, 3, Stream::prior);
  const at::Tensor wanted_u = at::tensor({0.856236517F, 0.383170307F, 0.719152987F, 0.353034914F, 0.974413097F}),
                   wanted_n = at::tensor({-0.00300461378F, -0.474690435F, 1.35095901F, -0.0580111925F, -0.472664947F});
  EXPECT_TRUE(at::equal(u.flatten(), wanted_u)) << u;
  EXPECT_TRUE(at::allclose(n.flatten(), wanted_n, 1e-6, 1e-6)) << n;
}

// The law of one move from a place: mean z - (z - slope) eps / 2, variance T eps.
TEST(Noise, LangevinMoveHasItsMeanAndSpread) {
  const double eps = 0.02, noise_std = 0.5;
  const int64_t count = 1 << 18;
  const at::Tensor z = at::full({count, 1}, 3.0F), slope = at::full({count, 1}, -7.0F);
  const at::Tensor moved =
      Noise{2}.langevin_move(z, slope, eps, noise_std, {0, count}, 0, Stream::langevin).to(at::kDouble);
  const double spread = noise_std * std::sqrt(eps);
  EXPECT_NEAR(moved.mean().item<double>(), 3.0 - (3.0 + 7.0) * eps / 2, 5 * spread / std::sqrt(count));
  EXPECT_NEAR(moved.std().item<double>(), spread, 5 * spread / std::sqrt(2.0 * count));
}

}  // namespace
}  // namespace ddls::tensor::noise_test
