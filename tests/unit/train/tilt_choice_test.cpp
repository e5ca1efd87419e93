// The choice of a tilt: on held-out nats, with a floor of the effective sample size.
#include "train/tilt_choice.hpp"

#include <gtest/gtest.h>
#include <ATen/ATen.h>

#include "tensor/noise.hpp"

namespace ddls::train::tilt_choice_test {
namespace {

at::Tensor draws(int64_t rows, int64_t columns, uint64_t seed) {
  return tensor::Noise{seed}.normal({0, rows}, columns, 0, Stream::prior).to(at::kDouble);
}

// Prior draws x ~ N(0, I); reals ~ N(m, I) in the first two coordinates. The score knows of the first alone, at half
// its slope; the second is a feature, and `noise` further columns say nothing.
sampling::LabelledRows rows(int64_t n, bool real, int64_t noise, uint64_t seed) {
  const at::Tensor x = draws(n, 2 + noise, seed);
  if (real) x.narrow(1, 0, 2).add_(0.7);
  return {at::cat({x.narrow(1, 0, 1) * 0.35, x.narrow(1, 1, 1), x.narrow(1, 2, noise)}, 1), {}};
}

config::CalibrationConfig config_with(double floor) {
  config::CalibrationConfig config;
  config.ess_floor = floor;
  return config;
}

TEST(TiltChoice, FindsTheRatioAndLeavesNoiseOut) {
  const sampling::LabelledRows real = rows(4000, true, 300, 1), pool = rows(20'000, false, 300, 2);
  const TiltChoice choice = choose_tilt(real, pool, {{1, 300}}, config_with(0.1));
  EXPECT_NEAR(choice.slopes[0].item<double>(), 2, 0.25);
  EXPECT_NEAR(choice.parts[0][0].item<double>(), 0.7, 0.1);
  EXPECT_FALSE(choice.parts[1].defined());
  // 0.7^2 / 2 nats in each of two coordinates; ESS e^{-|m|^2}.
  EXPECT_NEAR(sampling::nats_gained(choice.after.real, choice.after.pool, 1).mean, 0.49, 0.06);
  EXPECT_NEAR(sampling::pool_worth(choice.after.pool).ess_fraction, std::exp(-0.98), 0.06);
  EXPECT_NEAR(sampling::pool_worth(log_ratios(choice, pool)).log_z, 0, 1e-9);
  EXPECT_EQ(choice.reals.fitted + choice.reals.reported, 4000);
}

TEST(TiltChoice, KeepsTheFloor) {
  const sampling::LabelledRows real = rows(4000, true, 1, 3), pool = rows(20'000, false, 1, 4);
  const TiltChoice choice = choose_tilt(real, pool, {{2}}, config_with(0.6));
  const double ess = sampling::pool_worth(choice.after.pool).ess_fraction;
  EXPECT_NEAR(ess, 0.6, 0.03);  // the free fit has 0.38
  const TiltChoice temperature = choose_temperature(real, pool, config_with(0.8));
  EXPECT_NEAR(sampling::pool_worth(temperature.after.pool).ess_fraction, 0.8,
              0.02);  // e^{-0.49} = 0.61 where it is free
}

TEST(TiltChoice, TheTemperatureIsTheSlopeOfTheRatio) {
  const TiltChoice choice = choose_temperature(rows(4000, true, 0, 5), rows(20'000, false, 0, 6), config_with(0.1));
  EXPECT_NEAR(choice.slopes[0].item<double>(), 2, 0.2);
  EXPECT_GT(sampling::nats_gained(choice.after.real, choice.after.pool, 1).mean,
            sampling::nats_gained(choice.before.real, choice.before.pool, 1).mean);
  EXPECT_ANY_THROW(
      choose_temperature(rows(400, false, 0, 5), rows(2000, true, 0, 6), config_with(0.1)));  // D prefers fakes
}

TEST(TiltChoice, SlopesMayDependOnTheClass) {
  const auto of_classes = [](int64_t n, bool real, uint64_t seed) {
    sampling::LabelledRows r = rows(n, real, 0, seed);
    r.classes = at::arange(n, at::kLong).remainder(2);
    r.phi.select(1, 0).mul_(1 + r.classes);  // the score of class 1 has twice the slope
    return r;
  };
  const TiltChoice choice =
      choose_tilt(of_classes(4000, true, 7), of_classes(20'000, false, 8), {{1}, true}, config_with(0.1));
  ASSERT_EQ(choice.slopes.numel(), 2);
  ASSERT_EQ(choice.offsets.numel(), 2);
  EXPECT_NEAR(choice.slopes[0].item<double>(), 2, 0.3);
  EXPECT_NEAR(choice.slopes[1].item<double>(), 1, 0.2);
}

}  // namespace
}  // namespace ddls::train::tilt_choice_test
