// The nearest training images: against a search by hand, with equal distances, the same at every rank count.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "dist/failure.hpp"
#include "metrics/neighbours.hpp"
#include "mpi/world.hpp"
#include "tensor/noise.hpp"

namespace ddls {
namespace {

constexpr int64_t count = 137, k = 5;

// Values of 0 .. 3 in 2 x 2 pixels: many images are alike.
at::Tensor images(int64_t n, uint64_t seed) {
  return tensor::Noise{seed}
      .normal({0, n}, 4, 0, Stream::prior)
      .abs()
      .clamp_max(3)
      .to(at::kByte)
      .view({n, 1, 2, 2})
      .contiguous();
}

metrics::EvaluationSet training() {
  data::Dataset data;
  data.name = "training";
  data.samples = images(count, 1);
  return metrics::set_of(data);
}

// Sums of rows and columns.
at::Tensor features_of(const at::Tensor& u8) {
  const at::Tensor x = u8.to(at::kFloat);
  return at::cat({x.sum(2).flatten(1), x.sum(3).flatten(1)}, 1);
}

metrics::Extractor extractor() {
  metrics::Extractor e;
  e.name = "sums";
  e.features = 4;
  e.run = [](const at::Tensor& u8, bool) { return metrics::Features{features_of(u8), {}}; };
  return e;
}

void expect_nearest(const metrics::NearestRows& found, const at::Tensor& queries, const at::Tensor& rows) {
  ASSERT_EQ(found.ids.sizes(), (std::vector<int64_t>{queries.size(0), k}));
  for (int64_t q = 0; q < queries.size(0); ++q) {
    const at::Tensor distance2 = (rows.to(at::kDouble) - queries[q].to(at::kDouble)).square().sum(1);
    const auto order = at::argsort(distance2, /*stable=*/true, 0, false);  // equal ones by id
    EXPECT_TRUE(at::equal(found.ids[q], order.narrow(0, 0, k))) << q;
    // To the last bits: MKL's roots on Intel processors are not rounded alike for every length.
    const at::Tensor expected = distance2.index_select(0, order).narrow(0, 0, k).sqrt();
    EXPECT_TRUE(at::allclose(found.distances[q], expected, 1e-15, 0)) << q;
  }
}

TEST(Neighbours, AreThoseOfASearchByHand) {
  const at::Tensor queries = images(6, 2);
  const auto found = metrics::nearest_images(world(), training(), extractor(), queries, k, 10);
  EXPECT_EQ(found.has_value(), world().root());
  if (!found) return;
  expect_nearest(found->by_pixels, queries.flatten(1), images(count, 1).flatten(1));
  expect_nearest(found->by_features, features_of(queries), features_of(images(count, 1)));
  EXPECT_FALSE(at::equal(found->by_pixels.ids, found->by_features.ids));
}

TEST(Neighbours, OfASetSmallerThanK) {
  metrics::EvaluationSet few = training();
  few.count = 3;
  const auto found = metrics::nearest_images(world(), few, extractor(), images(2, 2), k, 10);
  ASSERT_EQ(found.has_value(), world().root());
  if (!found) return;
  EXPECT_EQ(found->by_pixels.ids.sizes(), (std::vector<int64_t>{2, 3}));
}

TEST(Neighbours, ImagesOfAnotherShapeAreRefusedByAllRanks) {
  const at::Tensor larger = at::zeros({2, 1, 3, 3}, at::kByte);
  EXPECT_THROW(metrics::nearest_images(world(), training(), extractor(), larger, k, 10), dist::CollectiveError);
}

}  // namespace
}  // namespace ddls
