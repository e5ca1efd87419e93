// What several metrics make of pairs of rows: products, distances, mixtures of Gaussians, and the time of long work.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "metrics/long_work.hpp"
#include "metrics/mixture_sums.hpp"
#include "metrics/neighbour_distances.hpp"
#include "metrics/pair_products.hpp"
#include "tensor/noise.hpp"

namespace ddls::metrics::pairs_test {
namespace {

at::Tensor rows_of(uint64_t seed, int64_t count, int64_t features) {
  return tensor::Noise{seed}.normal({0, count}, features, 0, Stream::prior);
}

TEST(PairBlock, DistancesAreThoseOfTheRows) {
  const at::Tensor x = rows_of(1, 7, 12);
  at::Tensor y = rows_of(2, 5, 12);
  y[3] = x[6];
  y[4] = x[2] + 1e-6;  // far less than what the difference of the squares resolves
  const at::Tensor expected = (x.to(at::kDouble).unsqueeze(1) - y.to(at::kDouble).unsqueeze(0)).square().sum(2).sqrt();
  const at::Tensor found = distances(x, y);
  EXPECT_TRUE(at::allclose(found.to(at::kDouble), expected, 1e-6, 0)) << found - expected;
  EXPECT_EQ(found[6][3].item<float>(), 0);
}

TEST(PairBlock, APartHasTheValuesOfTheWhole) {
  const at::Tensor x = rows_of(1, 7, 12).to(at::kDouble), y = rows_of(2, 5, 12).to(at::kDouble);
  const PairBlock whole({20, 27}, {5, 10}, x, y, x.square().sum(1, true), y.square().sum(1).unsqueeze(0));
  const PairBlock part = whole.first(24, 6);
  EXPECT_EQ(part.rows, (IdRange{20, 24}));
  EXPECT_EQ(part.columns, (IdRange{5, 6}));
  EXPECT_TRUE(at::equal(part.distances(), whole.distances().narrow(0, 0, 4).narrow(1, 0, 1)));
  EXPECT_TRUE(whole.first(100, 100).distances().is_same(whole.distances()));  // computed once
  EXPECT_EQ(whole.first(20, 100).rows.size(), 0);
  EXPECT_EQ(whole.first(3, 3).columns.size(), 0);
}

// Against the whole matrix of terms; 21 centres are no multiple of the lanes. Scales: all centres count, one does.
TEST(MixtureSums, EqualTheirFormulas) {
  for (const double scale : {0.1, 1.0, 300.0}) {
    const at::Tensor squares = (rows_of(3, 40, 21).square() * scale).to(at::kFloat).contiguous();
    const at::Tensor log_variances = rows_of(4, 1, 21)[0].to(at::kDouble).contiguous();
    const at::Tensor terms =
        log_variances * -8.0 - std::log(21.0) - squares.to(at::kDouble) * (-log_variances).exp() / 2;
    const at::Tensor shares = terms.softmax(1);
    const MixtureSums sums = mixture_sums(squares, log_variances, 16);
    const auto expected = terms.logsumexp(1).sum().item<double>();
    EXPECT_NEAR(sums.log_density, expected, 1e-12 * std::abs(expected));
    EXPECT_TRUE(at::allclose(sums.shares, shares.sum(0), 1e-12, 1e-20)) << scale;
    EXPECT_TRUE(at::allclose(sums.spreads, (shares * squares.to(at::kDouble)).sum(0), 1e-12, 1e-18)) << scale;
  }
}

TEST(LongWork, MinutesAreToldWhenTheFirstStepsHaveShownThem) {
  EXPECT_EQ(long_in_all(1, 40, 5), 200);
  EXPECT_FALSE(long_in_all(1, 40, 0.9));  // too early to tell
  EXPECT_FALSE(long_in_all(10, 40, 14));  // 56 s
  EXPECT_EQ(long_in_all(10, 40, 15), 60);
  EXPECT_FALSE(long_in_all(40, 40, 500));  // done
  EXPECT_FALSE(long_in_all(0, 40, 5));
}

}  // namespace
}  // namespace ddls::metrics::pairs_test
