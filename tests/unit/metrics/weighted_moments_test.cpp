#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "metrics/moments.hpp"
#include "tensor/noise.hpp"

namespace ddls::metrics::weighted_moments_test {
namespace {

at::Tensor features(int64_t rows, int64_t count) {
  return tensor::Noise{6}.normal({0, rows}, count, 0, Stream::prior).to(at::kDouble) * 3 + 1e4;
}

// Added in pieces of unlike sizes.
Moments weighted(const at::Tensor& f, const at::Tensor& w) {
  Moments moments(f.size(1));
  for (int64_t at = 0, size = 7; at < f.size(0); at += size, size += 50) {
    const int64_t rows = std::min(size, f.size(0) - at);
    moments.add(f.narrow(0, at, rows), w.narrow(0, at, rows));
  }
  return moments;
}

// Several panels of columns, weights over three decades: the mean, and the covariance that is unbiased for weights that
// say nothing of the features, by their definitions.
TEST(WeightedMoments, TheirDefinition) {
  const at::Tensor f = features(700, 300),
                   p = (tensor::Noise{7}.normal({0, 700}, 1, 0, Stream::prior).squeeze(1) * 2).to(at::kDouble).exp();
  const at::Tensor w = p / p.sum();
  const double squares = w.square().sum().item<double>();
  const GaussianStatistics s = weighted(f, w / squares).statistics("pool");
  const at::Tensor mean = at::mv(f.t(), w), centred = f - mean;
  EXPECT_TRUE(at::allclose(s.mean, mean, 1e-12, 0));
  const at::Tensor covariance = at::matmul(centred.t() * w, centred) / (1 - squares);
  EXPECT_TRUE(at::allclose(s.covariance, covariance, 1e-7, 1e-7));
  EXPECT_EQ(s.count, static_cast<int64_t>(1 / squares));
}

TEST(WeightedMoments, CountsAreRowsThatComeSoOften) {
  const at::Tensor f = features(90, 6), counts = at::arange(90).remainder(4);
  Moments repeated(6);
  repeated.add(f.repeat_interleave(counts, 0));
  const GaussianStatistics s = weighted(f, counts.to(at::kDouble)).statistics("pool"),
                           of_rows = repeated.statistics("rows");
  EXPECT_EQ(s.count, of_rows.count);
  EXPECT_TRUE(at::allclose(s.mean, of_rows.mean, 1e-13, 0));
  EXPECT_TRUE(at::allclose(s.covariance, of_rows.covariance, 1e-9, 1e-9));
}

}  // namespace
}  // namespace ddls::metrics::weighted_moments_test
