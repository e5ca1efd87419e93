// What an energy is worth, against closed forms: the prior N(0, 1), reals N(m, 1), r(x) = a x, so that log Z = a^2 / 2,
// the gain is a m - a^2 / 2 and the ESS fraction e^{-a^2}.
#include "ddls/worth.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tensor/noise.hpp"
#include "unit/base/expect_error.hpp"

namespace ddls::sampling::worth_test {
namespace {

constexpr double m = 0.8, a = 0.5;
constexpr int64_t reals = 40'000, draws = 60'000;

at::Tensor normal(int64_t count, int64_t step, double mean = 0) {
  return tensor::Noise{3}.normal({0, count}, 1, step, Stream::prior).squeeze(1).to(at::kDouble) + mean;
}

struct Gaussians {
  at::Tensor real = normal(reals, 1, m), pool = normal(draws, 2);
  LogRatios of_real(double slope = a) const { return {real * slope}; }
  LogRatios of_pool(double slope = a) const { return {pool * slope}; }
};

// Of the estimate of the gain: Var(a x) / reals + (e^{a^2} - 1) / draws.
double standard_error() { return std::sqrt(a * a / reals + (std::exp(a * a) - 1) / draws); }

TEST(Worth, NatsOfALinearRatio) {
  const Gaussians g;
  const Interval nats = nats_gained(g.of_real(), g.of_pool(), 1);
  EXPECT_NEAR(nats.mean, a * m - a * a / 2, 5 * standard_error());
  const double half = 1.96 * standard_error();
  EXPECT_NEAR(nats.mean - nats.low, half, 0.3 * half);  // 200 replicates know a quantile to about 8 %
  EXPECT_NEAR(nats.high - nats.mean, half, 0.3 * half);
}

TEST(Worth, AConstantGainsNothingAndAWrongSignLoses) {
  const Gaussians g;
  const Interval none = nats_gained({at::full({50}, 3.0, at::kDouble)}, {at::full({70}, 3.0, at::kDouble)}, 1, 20);
  EXPECT_NEAR(none.mean, 0, 1e-12);
  EXPECT_NEAR(none.high - none.low, 0, 1e-12);
  const Interval wrong = nats_gained(g.of_real(-a), g.of_pool(-a), 1);
  EXPECT_NEAR(wrong.mean, -a * m - a * a / 2, 5 * standard_error());
  EXPECT_LT(wrong.high, 0);
}

TEST(Worth, PoolOfALinearRatio) {
  const PoolWorth worth = pool_worth(Gaussians().of_pool());
  EXPECT_NEAR(worth.log_z, a * a / 2, 5 * std::sqrt((std::exp(a * a) - 1) / draws));
  EXPECT_NEAR(worth.ess_fraction, std::exp(-a * a), 0.01);
  EXPECT_NEAR(worth.ess, worth.ess_fraction * draws, 1e-6);
  EXPECT_FALSE(worth.few_draws());
}

TEST(Worth, FewDrawsThatCarryTheMean) {
  at::Tensor r = at::zeros({10'000}, at::kDouble);
  r[17] = 1000;  // e^1000 has no double
  const PoolWorth worth = pool_worth({r});
  EXPECT_NEAR(worth.log_z, 1000 - std::log(10'000), 1e-9);
  EXPECT_NEAR(worth.ess, 1, 1e-9);
  EXPECT_NEAR(worth.largest_share, 1, 1e-9);
  EXPECT_TRUE(worth.few_draws());
}

TEST(Worth, ADrawOfNoWeight) {
  at::Tensor r = at::zeros({1000}, at::kDouble);
  r.narrow(0, 0, 500).fill_(-INFINITY);
  const PoolWorth worth = pool_worth({r});
  EXPECT_NEAR(worth.log_z, std::log(0.5), 1e-12);
  EXPECT_NEAR(worth.ess, 500, 1e-9);
}

// A constant per class is no part of p0 e^r / Z: chains keep their class.
TEST(Worth, ClassesHaveTheirOwnLaws) {
  const Gaussians g;
  const at::Tensor of_real = at::arange(reals).remainder(3), of_pool = at::arange(draws).remainder(3);
  const at::Tensor shifts = at::tensor({-400.0, 2.0, 300.0}, at::kDouble);
  const LogRatios real{g.real * a, of_real}, pool{g.pool * a, of_pool};
  const LogRatios real_shifted{g.real * a + shifts.index({of_real}), of_real},
      pool_shifted{g.pool * a + shifts.index({of_pool}), of_pool};
  const Interval plain = nats_gained(real, pool, 1), shifted = nats_gained(real_shifted, pool_shifted, 1);
  EXPECT_NEAR(plain.mean, a * m - a * a / 2, 5 * standard_error());
  EXPECT_NEAR(shifted.mean, plain.mean, 1e-9);
  EXPECT_NEAR(shifted.low, plain.low, 1e-9);
  EXPECT_NEAR(pool_worth(pool_shifted).ess, pool_worth(pool).ess, 1e-6);
  const at::Tensor w = normalised_weights(pool_shifted);
  for (int64_t c = 0; c < 3; ++c) EXPECT_NEAR(w.masked_select(of_pool == c).sum().item<double>(), 1.0 / 3, 1e-9);
}

TEST(Worth, RealsOfAClassWithoutDrawsAreLeftOut) {
  const LogRatios pool{at::zeros({10}, at::kDouble), at::zeros({10}, at::kLong)};
  const LogRatios real{at::tensor({1.0, 2.0, 1e6}, at::kDouble), at::tensor({0, 0, 4}, at::kLong)};
  EXPECT_NEAR(nats_gained(real, pool, 1, 20).mean, 1.5, 1e-12);
}

TEST(Worth, TheBestScale) {
  const Gaussians g;
  const BestScale best = best_scale(g.of_real(), g.of_pool());
  EXPECT_NEAR(best.scale, m / a, 0.05);
  EXPECT_NEAR(best.nats, m * m / 2, 0.02);
  EXPECT_NEAR(best_scale(g.of_real(-a), g.of_pool(-a)).scale, 0, 1e-6);
}

TEST(Worth, TheSameNoiseTheSameInterval) {
  const Gaussians g;
  const Interval once = nats_gained(g.of_real(), g.of_pool(), 7, 20),
                 again = nats_gained(g.of_real(), g.of_pool(), 7, 20),
                 other = nats_gained(g.of_real(), g.of_pool(), 8, 20);
  EXPECT_EQ(once.low, again.low);
  EXPECT_EQ(once.high, again.high);
  EXPECT_NE(once.low, other.low);
}

TEST(Worth, NeedsBothSets) {
  const LogRatios none{at::zeros({0}, at::kDouble)}, some{at::zeros({3}, at::kDouble)};
  EXPECT_ERROR(nats_gained(none, some, 1), Exit::data, "energy: 0 reals and 3 prior draws; both are needed");
  EXPECT_ERROR(best_scale(some, none), Exit::data, "energy: 3 reals and 0 prior draws; both are needed");
}

TEST(SystematicResample, RowsComeByTheirWeight) {
  const at::Tensor w = at::tensor({0.0, 1.0, 2.5, 0.0, 6.5}, at::kDouble);
  for (const double u : {0.0, 0.3, 0.999}) {
    const at::Tensor counts = at::bincount(systematic_resample(w, 20, u), {}, 5).to(at::kDouble), mean = w * 2;
    EXPECT_EQ(counts.sum().item<double>(), 20);
    EXPECT_LT((counts - mean).abs().max().item<double>(), 1) << u;
    EXPECT_EQ(counts[0].item<double>() + counts[3].item<double>(), 0) << u;
  }
  EXPECT_TRUE(systematic_resample(at::ones({8}, at::kDouble), 8, 0.5).equal(at::arange(8)));
}

}  // namespace
}  // namespace ddls::sampling::worth_test
