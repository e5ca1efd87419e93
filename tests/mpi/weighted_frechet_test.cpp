// A law whose distance is known: rows N(0, I), weights e^{a x_1}, so that the weighted law is N(a e_1, I); reference
// N(0, I): a^2.
#include "metrics/weighted_frechet.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <mpi.h>

#include <cmath>
#include <vector>

#include "metrics/frechet_metrics.hpp"
#include "mpi/world.hpp"
#include "tensor/noise.hpp"

namespace ddls {
namespace {

constexpr int64_t features = 6, rows = 30'000, count = 300;
constexpr double a = 0.8;

at::Tensor draws(int64_t n, uint64_t seed) { return tensor::Noise{seed}.normal({0, n}, features, 0, Stream::prior); }

// As extract_set deals them.
metrics::FeatureBlocks dealt(dist::Communicator& comm, const at::Tensor& all) {
  metrics::FeatureBlocks blocks;
  blocks.plan = {all.size(0), 257};
  blocks.count = all.size(0);
  blocks.features = all.size(1);
  const std::vector<Block> mine = blocks.plan.blocks_of(comm.rank(), comm.ranks());
  if (!mine.empty()) blocks.first_own = mine.front().index;
  for (const Block& block : mine) blocks.own.push_back(all.narrow(0, block.ids.begin, block.ids.size()).clone());
  return blocks;
}

metrics::GaussianStatistics standard_normal() {
  return {rows, at::zeros({features}, at::kDouble), at::eye(features, at::kDouble)};
}

std::optional<metrics::WeightedDistance> distance_on(dist::Communicator& comm, const at::Tensor& all,
                                                     const at::Tensor& weights, std::string& why) {
  return metrics::weighted_frechet(comm, dealt(comm, all), weights, count,
                                   metrics::factor_on_root(comm, standard_normal(), "reference"), why);
}

TEST(WeightedFrechet, OfATiltedNormal) {
  const at::Tensor x = draws(rows, 1);
  std::string why;
  const auto found = distance_on(world(), x, (x.select(1, 0).to(at::kDouble) * a).exp(), why);
  ASSERT_TRUE(found) << why;
  const double ess = rows * std::exp(-a * a);
  EXPECT_NEAR(found->all, a * a, 5 * 2 * a / std::sqrt(ess) * 1.5);

  // As many samples of the law itself, many times.
  const metrics::GaussianFactor reference = metrics::factor(standard_normal(), "reference");
  double mean = 0, squares = 0;
  constexpr int64_t times = 200;
  for (int64_t i = 0; i < times; ++i) {
    at::Tensor y = draws(count, 100 + i);
    y.select(1, 0) += a;
    metrics::Moments moments(features);
    moments.add(y);
    const double d = metrics::frechet_distance(metrics::factor(moments.statistics("samples"), "samples"), reference);
    mean += d / times;
    squares += d * d / times;
  }
  const double spread = std::sqrt(squares - mean * mean);
  EXPECT_NEAR(found->at_count, mean, 0.6 * spread);  // the bias alone is half of it
  EXPECT_GT(mean - a * a, 0.02);
  EXPECT_GT(found->std, spread / 2.5);  // of eight parts: known to a quarter
  EXPECT_LT(found->std, spread * 2.5);
}

TEST(WeightedFrechet, TheSameAtEveryRankCount) {
  dist::Topology topology;
  dist::Communicator one(MPI_COMM_SELF, topology);
  const at::Tensor x = draws(1000, 2), w = (x.select(1, 1).to(at::kDouble)).exp();
  std::string why;
  const auto alone = distance_on(one, x, w, why), together = distance_on(world(), x, w, why);
  ASSERT_TRUE(alone && together);
  EXPECT_NEAR(alone->all, together->all, 1e-9 * alone->all);
  EXPECT_NEAR(alone->at_count, together->at_count, 1e-8 * alone->at_count);
  EXPECT_NEAR(alone->std, together->std, 1e-8 * alone->std);
}

TEST(WeightedFrechet, WeightsOfOneRowSayNothing) {
  at::Tensor w = at::full({rows}, 1e-9, at::kDouble);
  w[5] = 1;
  std::string why;
  EXPECT_FALSE(distance_on(world(), draws(rows, 3), w, why));
  EXPECT_EQ(why, "few draws carry the weights: an 8th of them is worth 1");
}

}  // namespace
}  // namespace ddls
