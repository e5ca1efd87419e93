#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/error.hpp"
#include "metrics/frechet.hpp"
#include "metrics/entries/inception_score.hpp"
#include "metrics/entries/kid.hpp"
#include "metrics/entries/modes.hpp"
#include "metrics/moments.hpp"
#include "tensor/noise.hpp"

namespace ddls::metrics::metrics_test {
namespace {

GaussianStatistics gaussian(std::vector<double> mean, std::vector<double> variances) {
  return {100, at::tensor(mean), at::diag(at::tensor(variances))};
}

double frechet_distance(const GaussianStatistics& a, const GaussianStatistics& b) {
  return frechet_distance(factor(a, "a"), factor(b, "b"));
}

TEST(Frechet, ClosedFormsOfGaussians) {
  // |m1 - m2|^2 + sum (s1 - s2)^2 for diagonal covariances s^2.
  EXPECT_NEAR(frechet_distance(gaussian({0, 0}, {1, 4}), gaussian({3, 4}, {9, 1})), 25 + 4 + 1, 1e-10);
  const GaussianStatistics same = gaussian({1, 2, 3}, {1, 2, 3});
  EXPECT_NEAR(frechet_distance(same, same), 0, 1e-10);
}

TEST(Frechet, CorrelatedAndRankDeficient) {
  // Covariances a a^T and b b^T of rank one: Tr (S1 S2)^(1/2) = |a.b|.
  const at::Tensor a = at::tensor({1.0, 2.0, 3.0}), b = at::tensor({2.0, -1.0, 1.0});
  const GaussianStatistics x{10, at::zeros({3}, at::kDouble), at::outer(a, a)},
      y{10, at::zeros({3}, at::kDouble), at::outer(b, b)};
  EXPECT_NEAR(frechet_distance(x, y), 14 + 6 - 2 * 3, 1e-12);
  // Invariant under a rotation of both.
  const at::Tensor q = std::get<0>(at::linalg_qr(tensor::Noise{1}.normal({0, 3}, 3, 0, Stream::prior).to(at::kDouble)));
  const auto rotate = [&](const GaussianStatistics& s) {
    return GaussianStatistics{s.count, at::mv(q, s.mean), at::matmul(at::matmul(q, s.covariance), q.t())};
  };
  const GaussianStatistics u = gaussian({1, 0, 2}, {1, 2, 3}), v = gaussian({0, 1, 0}, {3, 1, 2});
  EXPECT_NEAR(frechet_distance(rotate(u), rotate(v)), frechet_distance(u, v), 1e-9);
}

TEST(Frechet, ASetAgainstItselfIsZeroHoweverIllConditioned) {
  // Scales over 12 decades, fewer samples than features, a large mean.
  const at::Tensor scales = at::logspace(0, -12, 60, 10, at::kDouble);
  const at::Tensor f = tensor::Noise{4}.normal({0, 40}, 60, 0, Stream::prior).to(at::kDouble) * scales + 1e3;
  Moments moments(60);
  moments.add(f);
  const GaussianStatistics s = moments.statistics("set");
  EXPECT_NEAR(frechet_distance(s, s), 0, 1e-9 * s.covariance.trace().item<double>());
}

TEST(Frechet, RoundingIsNoNegativeDistanceAndNothingElseIsHidden) {
  for (uint64_t seed = 1; seed < 200; ++seed) {  // about half of these come out negative before it is mended
    const at::Tensor f = tensor::Noise{seed}.normal({0, 30}, 8, 0, Stream::prior).to(at::kDouble) * 1e-3 + 7;
    Moments moments(8);
    moments.add(f);
    const GaussianFactor x = factor(moments.statistics("set"), "set");
    EXPECT_GE(frechet_distance(x, x), 0);
  }
  GaussianFactor off = factor(gaussian({1, 2}, {1, 4}), "a");
  off.trace = 4;  // not its root's
  EXPECT_NEAR(frechet_distance(off, off), -2, 1e-12);
  off.trace = std::numeric_limits<double>::quiet_NaN();
  EXPECT_TRUE(std::isnan(frechet_distance(off, off)));
}

TEST(Frechet, LineInInverseSize) {
  const Line line = line_in_inverse_size({10, 20, 40}, {3 + 50.0 / 10, 3 + 50.0 / 20, 3 + 50.0 / 40});
  EXPECT_NEAR(line.intercept, 3, 1e-12);
  EXPECT_NEAR(line.slope, 50, 1e-10);
  EXPECT_THROW(line_in_inverse_size({10, 10}, {1, 2}), Error);
  const Line level = line_in_inverse_size({10, 11, 13, 17, 19}, std::vector<double>(5, 0.1 + 0.2));
  EXPECT_EQ(level.slope, 0);
  EXPECT_NEAR(level.intercept, 0.3, 1e-15);
}

TEST(Moments, ALargeMeanCostsNoDigits) {
  const at::Tensor f = tensor::Noise{2}.normal({0, 400}, 300, 0, Stream::prior).to(at::kDouble);  // more than one panel
  Moments near(300), far(300), part(300);
  near.add(f);
  far.add(f.narrow(0, 0, 150) + 1e7);
  part.add(f.narrow(0, 150, 250) + 1e7);
  part.recentre(far.centre());
  far.sums() += part.sums();
  EXPECT_TRUE(at::allclose(far.statistics("far").covariance, near.statistics("near").covariance, 1e-6, 1e-8));
  EXPECT_TRUE(at::allclose(near.statistics("near").covariance, at::cov(f.t()), 1e-12, 1e-12));
}

TEST(Moments, MergeToTheStatisticsOfTheWhole) {
  const at::Tensor f = tensor::Noise{2}.normal({0, 500}, 5, 0, Stream::prior).to(at::kDouble) * 2 + 1;
  Moments a(5), b(5);
  a.add(f.narrow(0, 0, 123));
  b.add(f.narrow(0, 123, 377));
  b.recentre(a.centre());
  a.sums() += b.sums();
  const GaussianStatistics s = a.statistics("set");
  EXPECT_EQ(s.count, 500);
  EXPECT_TRUE(at::allclose(s.mean, f.mean(0), 1e-12, 1e-12));
  EXPECT_TRUE(at::allclose(s.covariance, at::cov(f.t()), 1e-10, 1e-10));
}

TEST(Moments, RefusesTooFewAndNonFinite) {
  Moments one(2);
  one.add(at::ones({1, 2}));
  EXPECT_THROW(one.statistics("one image"), Error);
  Moments bad(2);
  bad.add(at::full({5, 2}, NAN));
  EXPECT_THROW(bad.statistics("bad"), Error);
}

TEST(InceptionScore, UniformAndOneHot) {
  InceptionScore uniform(4, 40);
  uniform.add(at::zeros({40, 4}), {0, 40});
  EXPECT_NEAR(uniform.score().mean, 1, 1e-12);
  // Every split holds each of 4 classes once with certainty: exp(log 4).
  InceptionScore certain(4, 40);
  certain.add(at::eye(4).repeat({10, 1}) * 1000, {0, 40});
  EXPECT_NEAR(certain.score().mean, 4, 1e-9);
  EXPECT_NEAR(certain.score().std, 0, 1e-9);
}

TEST(InceptionScore, OfImagesThatAreAllAlikeIsOne) {
  for (uint64_t seed = 1; seed < 50; ++seed) {
    InceptionScore score(7, 90);
    score.add((tensor::Noise{seed}.normal({0, 1}, 7, 0, Stream::prior) * 3).expand({90, 7}), {0, 90});
    EXPECT_GE(score.score().mean, 1);
    EXPECT_NEAR(score.score().mean, 1, 1e-14);
    EXPECT_EQ(score.score().std, 0);
  }
}

TEST(Kid, OfEqualRowsIsZeroAndANegativeOneStays) {
  for (const double value : {0.5, 1.0, 1.75}) {  // products of float32 are exact
    const at::Tensor x = at::full({30, 3}, value, at::kFloat);
    const double within = kernel_sum_off_diagonal(x);
    EXPECT_EQ(squared_mmd({within, within, kernel_sum(x, x)}, 30, 30), 0);
  }
  const at::Tensor x = tensor::Noise{1}.normal({0, 30}, 3, 0, Stream::prior);
  const double within = kernel_sum_off_diagonal(x);  // of a set beside itself: unbiased, so below 0
  EXPECT_LT(squared_mmd({within, within, kernel_sum(x, x)}, 30, 30), 0);
}

TEST(InceptionScore, SplitsAreContiguousWhoeverAddsThem) {
  const at::Tensor logits = tensor::Noise{3}.normal({0, 57}, 6, 0, Stream::prior) * 2;  // 57 does not divide by 10
  InceptionScore whole(6, 57), parts(6, 57);
  whole.add(logits, {0, 57});
  for (const IdRange ids : {IdRange{30, 57}, IdRange{0, 13}, IdRange{13, 30}})
    parts.add(logits.narrow(0, ids.begin, ids.size()), ids);
  EXPECT_NEAR(whole.score().mean, parts.score().mean, 1e-12);
  double mean = 0;  // straight from the definition
  for (int64_t i = 0; i < 10; ++i) {
    const int64_t from = i * 57 / 10, to = (i + 1) * 57 / 10;
    const at::Tensor p = at::softmax(logits.narrow(0, from, to - from).to(at::kDouble), 1), q = p.mean(0, true);
    mean += std::exp((p * (p.log() - q.log())).sum(1).mean().item<double>()) / 10;
  }
  EXPECT_NEAR(whole.score().mean, mean, 1e-10);
}

TEST(InceptionScore, OfSubsetsWhoeverAddsThem) {
  const int64_t n = 60;
  const at::Tensor logits = tensor::Noise{3}.normal({0, n}, 6, 0, Stream::prior) * 2;
  const Subsets subsets = extrapolation_subsets(n);
  ASSERT_EQ(subsets.sizes.front(), n / 2);
  ASSERT_EQ(subsets.sizes.back(), n);
  InceptionScoreOfSubsets parts(6, subsets);
  for (const IdRange ids : {IdRange{30, 60}, IdRange{0, 13}, IdRange{13, 30}})
    parts.add(logits.narrow(0, ids.begin, ids.size()), ids);
  const std::vector<double> scores = parts.scores();
  ASSERT_EQ(scores.size(), subsets.sizes.size());
  for (size_t i = 0; i < scores.size(); ++i) {
    const at::Tensor p = at::softmax(logits.index({subsets.members[static_cast<int64_t>(i)]}).to(at::kDouble), 1);
    EXPECT_EQ(p.size(0), subsets.sizes[i]);
    EXPECT_NEAR(scores[i], std::exp((p * (p.log() - p.mean(0, true).log())).sum(1).mean().item<double>()), 1e-10);
  }
}

TEST(Modes, CountsByHand) {
  const at::Tensor centres = at::tensor({0.0, 0.0, 2.0, 0.0}).view({2, 2});
  // sd 0.1: high quality within 0.4.
  const at::Tensor points = at::tensor({0.1, 0.0, 0.0, 0.3, 0.0, 0.5, 2.0, 0.2}).view({4, 2});
  const ModeMetrics m = mode_metrics(points, centres, 0.1, 1.0);
  EXPECT_EQ(m.modes_recovered, 2);
  EXPECT_DOUBLE_EQ(m.high_quality_fraction, 0.75);
  EXPECT_EQ(m.mass_max, 2);
  EXPECT_EQ(m.mass_min, 1);
  EXPECT_NEAR(m.high_quality_radial, std::sqrt((0.01 + 0.09 + 0.04) / 3), 1e-12);
  EXPECT_NEAR(m.mass_total_variation, 1.0 / 6, 1e-12);
  EXPECT_NEAR(m.mass_total_variation_all, 0.25, 1e-12);  // shares 1/2, 1/4 and 1/4 outside, against 1/2, 1/2, 0
  EXPECT_NEAR(m.mass_chi2, 1.0 / 3, 1e-12);
}

TEST(Modes, NothingOfHighQuality) {
  const ModeMetrics m = mode_metrics(at::full({10, 2}, 50.0), at::zeros({1, 2}), 0.1, 1.0);
  EXPECT_EQ(m.modes_recovered, 0);
  EXPECT_EQ(m.high_quality_fraction, 0);
}

}  // namespace
}  // namespace ddls::metrics::metrics_test
