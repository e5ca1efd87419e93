// Calibrations of a score against closed forms: two normal laws whose log-ratio is linear, and a slow formula for the
// isotonic fit.
#include <gtest/gtest.h>
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "ddls/calibration/isotonic.hpp"
#include "ddls/calibration/platt.hpp"
#include "ddls/calibration/reliability.hpp"
#include "tensor/noise.hpp"
#include "unit/base/expect_error.hpp"
#include "unit/ddls/statistics.hpp"

namespace ddls::sampling::calibration_test {
namespace {

at::Tensor draws(int64_t count, uint64_t seed, double mean = 0) {
  return tensor::Noise{seed}.normal({0, count}, 1, 0, Stream::prior).squeeze(1).to(at::kDouble) + mean;
}

// Fakes N(0, 1), reals N(m, 1): r(x) = m x - m^2 / 2. Of the score d = 3 x + 7 that is (m / 3) d - 7 m / 3 - m^2 / 2.
struct Scores {
  static constexpr double m = 1.5;
  at::Tensor real, fake;
  explicit Scores(int64_t n, uint64_t seed = 5) : real(draws(n, seed, m) * 3 + 7), fake(draws(n, seed + 1) * 3 + 7) {}
  static at::Tensor log_ratio(const at::Tensor& d) { return d * (m / 3) - 7 * m / 3 - m * m / 2; }
};

TEST(Platt, FindsTheLogRatioOfTwoNormals) {
  const Scores s(100'000);
  const Platt fit = fit_platt(s.real, s.fake);
  // Standard errors at this size by the Fisher information: 0.0023 and 0.0217. Five of them.
  EXPECT_NEAR(fit.alpha, Scores::m / 3, 0.0115);
  EXPECT_NEAR(fit.beta, -7 * Scores::m / 3 - Scores::m * Scores::m / 2, 0.11);
}

TEST(Platt, IsTheMinimumForTheStatedTargets) {
  const at::Tensor real = draws(40, 1, 0.7) * 5, fake = draws(25, 2) * 5;
  const Platt fit = fit_platt(real, fake);
  const at::Tensor real_error = (real * fit.alpha + fit.beta).sigmoid() - 41.0 / 42,
                   fake_error = (fake * fit.alpha + fit.beta).sigmoid() - 1.0 / 27;
  EXPECT_NEAR((real_error.sum() + fake_error.sum()).item<double>(), 0, 1e-6);
  EXPECT_NEAR(((real_error * real).sum() + (fake_error * fake).sum()).item<double>(), 0, 1e-5);
}

// Separated scores have a finite fit: at two points it meets the targets themselves.
TEST(Platt, SeparatedScores) {
  const at::Tensor ones = at::ones({50}, at::kDouble);
  const Platt fit = fit_platt(ones, -ones);
  EXPECT_NEAR(fit.alpha, std::log(51.0), 1e-5);
  EXPECT_NEAR(fit.beta, 0, 1e-6);
}

TEST(Platt, RefusesScoresThatDoNotTellRealsFromFakes) {
  const at::Tensor ones = at::ones({50}, at::kDouble);
  EXPECT_ERROR(fit_platt(-ones, ones), Exit::data,
               "calibration: held-out reals do not score higher than fakes (alpha = -3.932); the discriminator cannot "
               "guide a sampler: train it longer, or fit a ratio with train.ratio.steps");
  EXPECT_ERROR(fit_platt(ones, ones), Exit::data,
               "calibration: the scores of held-out reals and of fakes are all alike, or not finite numbers");
}

// g_i = max over j <= i of min over k >= i of the mean of targets j..k.
std::vector<double> isotonic_by_formula(const std::vector<double>& targets) {
  const size_t n = targets.size();
  std::vector<double> sums(n + 1, 0), result;
  for (size_t i = 0; i < n; ++i) sums[i + 1] = sums[i] + targets[i];
  for (size_t i = 0; i < n; ++i) {
    double largest = -1;
    for (size_t j = 0; j <= i; ++j) {
      double smallest = 2;
      for (size_t k = i; k < n; ++k)
        smallest = std::min(smallest, (sums[k + 1] - sums[j]) / static_cast<double>(k + 1 - j));
      largest = std::max(largest, smallest);
    }
    result.push_back(largest);
  }
  return result;
}

TEST(Isotonic, EqualsTheMinMaxFormula) {
  const Scores s(80);
  const Staircase stairs = fit_isotonic(s.real, s.fake);
  const auto [scores, order] = at::cat({s.real, s.fake}).sort();
  std::vector<double> targets;
  for (int64_t i = 0; i < 160; ++i) targets.push_back(order[i].item<int64_t>() < 80 ? 81.0 / 82 : 1.0 / 82);
  const at::Tensor g = at::tensor(isotonic_by_formula(targets), at::kDouble);
  const at::Tensor mapped = staircase_map(stairs, at::kCPU)(scores).log_ratio;
  EXPECT_TRUE(at::allclose(mapped, at::log(g / (1 - g)), 1e-9, 1e-9)) << mapped;
  EXPECT_GT(stairs.scores.numel(), 3);
  EXPECT_TRUE((stairs.scores.diff() > 0).all().item<bool>());
  EXPECT_TRUE((stairs.log_ratios.diff() > 0).all().item<bool>());
}

TEST(Isotonic, SamplesOfOneScoreStayTogether) {
  const at::Tensor real = at::tensor({1.0, 1.0, 2.0}, at::kDouble), fake = at::tensor({0.0, 1.0, 0.0}, at::kDouble);
  const Staircase stairs = fit_isotonic(real, fake);
  EXPECT_TRUE(at::equal(stairs.scores, at::tensor({0.0, 1.0, 2.0}, at::kDouble)));
  EXPECT_TRUE(at::equal(stairs.edges, at::tensor({0.5, 1.5}, at::kDouble)));
  const double middle = (2 * 0.8 + 0.2) / 3;  // targets 4/5 and 1/5
  EXPECT_NEAR(stairs.log_ratios[1].item<double>(), std::log(middle / (1 - middle)), 1e-12);
  EXPECT_NEAR(stairs.log_ratios[2].item<double>(), std::log(4.0), 1e-12);
  EXPECT_ERROR(fit_isotonic(at::zeros({3}, at::kDouble), at::ones({3}, at::kDouble)), Exit::data,
               "calibration: held-out reals do not score higher than fakes anywhere; the discriminator cannot guide a "
               "sampler: train it longer, or fit a ratio with train.ratio.steps");
}

TEST(Isotonic, CubicIsMonotoneAndItsSlopeIsItsDerivative) {
  const Scores s(3000);
  const Staircase stairs = fit_isotonic(s.real, s.fake);
  const ScoreMap map = cubic_map(stairs, at::kCPU);
  EXPECT_TRUE(at::allclose(map(stairs.scores).log_ratio, stairs.log_ratios, 1e-12, 1e-12));

  const double low = stairs.scores[0].item<double>(), high = stairs.scores[-1].item<double>();
  const at::Tensor grid = at::linspace(low - 1, high + 1, 20'001, at::kDouble);
  const MappedScores mapped = map(grid);
  EXPECT_GE(mapped.log_ratio.diff().min().item<double>(), -1e-12);
  EXPECT_GE(mapped.slope.min().item<double>(), 0);
  // Level outside, with slope 0 at the ends as well: no jump in the gradient of a chain that leaves.
  const MappedScores outside = map(at::tensor({low - 100, high + 100, low, high}, at::kDouble));
  EXPECT_TRUE(at::allclose(outside.log_ratio.narrow(0, 0, 2), outside.log_ratio.narrow(0, 2, 2), 1e-12, 1e-12));
  EXPECT_LT(outside.slope.abs().max().item<double>(), 1e-9);

  // Central differences, where both ends lie between the same knots.
  const at::Tensor at =
      (stairs.scores.narrow(0, 0, stairs.scores.numel() - 1) * 0.37 + stairs.scores.slice(0, 1) * 0.63);
  const at::Tensor h = stairs.scores.diff() * 1e-4;
  const at::Tensor numeric = (map(at + h).log_ratio - map(at - h).log_ratio) / (2 * h);
  EXPECT_TRUE(at::allclose(map(at).slope, numeric, 1e-5, 1e-7)) << (map(at).slope - numeric);
}

TEST(Isotonic, KeepsTheTypeAndWhatIsNoNumber) {
  const Scores s(200);
  const Staircase stairs = fit_isotonic(s.real, s.fake);
  const at::Tensor scores = at::tensor({8.0f, std::numeric_limits<float>::quiet_NaN()});
  for (const ScoreMap& map : {cubic_map(stairs, at::kCPU), staircase_map(stairs, at::kCPU)}) {
    const at::Tensor r = map(scores).log_ratio;
    EXPECT_EQ(r.scalar_type(), at::kFloat);
    EXPECT_TRUE(std::isfinite(r[0].item<float>()) && std::isnan(r[1].item<float>()));
  }
}

// Near the truth where samples are dense.
TEST(Isotonic, EstimatesTheLogRatio) {
  const Scores s(100'000);
  const at::Tensor scores = at::linspace(5, 14, 50, at::kDouble);
  const at::Tensor r = cubic_map(fit_isotonic(s.real, s.fake), at::kCPU)(scores).log_ratio;
  EXPECT_LT((r - Scores::log_ratio(scores)).abs().max().item<double>(), 0.25);
}

TEST(Reliability, ByHand) {
  const at::Tensor zero = at::zeros({3}, at::kDouble);
  const Reliability ignorant = reliability_of(zero, zero);
  EXPECT_NEAR(ignorant.cross_entropy, std::log(2), 1e-12);
  EXPECT_NEAR(ignorant.brier, 0.25, 1e-12);
  EXPECT_NEAR(ignorant.ece, 0, 1e-12);
  EXPECT_NEAR(ignorant.z, 0, 1e-12);
  // p = 3/4 for two reals and one fake, p = 1/4 for one fake: bins 11 and 3 of 15.
  const double up = std::log(3.0);
  const Reliability r = reliability_of(at::tensor({up, up}, at::kDouble), at::tensor({up, -up}, at::kDouble));
  EXPECT_NEAR(r.cross_entropy, -(3 * std::log(0.75) + std::log(0.25)) / 4, 1e-12);
  EXPECT_NEAR(r.brier, (3 * 0.0625 + 0.5625) / 4, 1e-12);
  EXPECT_NEAR(r.ece, (0.25 + 0.25) / 4, 1e-12);
  EXPECT_NEAR(r.z, -0.5 / std::sqrt(4 * 3.0 / 16), 1e-12);
}

// Labels drawn with the stated probabilities: Z is standard normal.
TEST(Reliability, ZIsStandardNormalWhereLabelsFollowTheProbabilities) {
  constexpr int64_t repeats = 2000, n = 400;
  const at::Tensor log_odds = 2 * tensor::Noise{8}.normal({0, repeats}, n, 0, Stream::prior).to(at::kDouble);
  const at::Tensor real =
      tensor::Noise{8}.uniform({0, repeats}, n, 0, Stream::accept).to(at::kDouble) < log_odds.sigmoid();
  at::Tensor z = at::empty({repeats}, at::kDouble);
  for (int64_t i = 0; i < repeats; ++i)
    z[i] = reliability_of(log_odds[i].masked_select(real[i]), log_odds[i].masked_select(~real[i])).z;
  expect_variance(z, 1);
  expect_law(z, [](double x) { return normal_cdf(x); });
}

}  // namespace
}  // namespace ddls::sampling::calibration_test
