#include "data/toy.hpp"

#include <gtest/gtest.h>
#include <ATen/ATen.h>

#include <numbers>

namespace ddls::data::toy_test {
namespace {

constexpr int64_t count = 50'000;

TEST(Gaussians25, centres) {
  const at::Tensor centres = gaussians25_centres();
  ASSERT_EQ(centres.sizes(), (std::vector<int64_t>{25, 2}));
  EXPECT_FLOAT_EQ(centres[0][0].item<float>(), -4.0F / 2.828F);
  EXPECT_FLOAT_EQ(centres[0][1].item<float>(), -4.0F / 2.828F);
  EXPECT_FLOAT_EQ(centres[1][1].item<float>(), -2.0F / 2.828F);
  EXPECT_EQ(centres[12][0].item<float>(), 0.0F);
  EXPECT_FLOAT_EQ(centres[24][1].item<float>(), 4.0F / 2.828F);
}

TEST(Gaussians25, every_mode_gets_its_share_and_the_spread_is_right) {
  const at::Tensor points = gaussians25(count, 3);
  ASSERT_EQ(points.sizes(), (std::vector<int64_t>{count, 2}));
  EXPECT_EQ(points.scalar_type(), at::kFloat);
  const at::Tensor distances = at::cdist(points, gaussians25_centres());
  const at::Tensor mode = distances.argmin(1);
  const at::Tensor shares = at::bincount(mode, {}, 25).to(at::kDouble);
  const double expected = count / 25.0, sd = std::sqrt(expected * 24 / 25);
  EXPECT_LT((shares - expected).abs().max().item<double>(), 4 * sd);
  const at::Tensor off = (points - gaussians25_centres().index_select(0, mode)).to(at::kDouble) * 2.828;
  EXPECT_LT(off.mean(0).abs().max().item<double>(), 4 * 0.05 / std::sqrt(count));
  for (const int64_t axis : {0, 1}) {
    EXPECT_NEAR(off.select(1, axis).std().item<double>(), 0.05, 4 * 0.05 / std::sqrt(2.0 * count));
  }
  const double correlation = (off.select(1, 0) * off.select(1, 1)).mean().item<double>() / (0.05 * 0.05);
  EXPECT_LT(std::abs(correlation), 4 / std::sqrt(count));
  // 1 - e^-8 of the points lie within 4 sd.
  const double far = static_cast<double>((off.norm(2, 1) > 0.2).sum().item<int64_t>());
  EXPECT_NEAR(far, count * std::exp(-8.0), 5 * std::sqrt(count * std::exp(-8.0)));
}

TEST(Toy, a_point_depends_on_seed_and_id_alone) {
  for (const auto draw : {gaussians25, swiss_roll}) {
    EXPECT_TRUE(at::equal(draw(100, 5), draw(1000, 5).narrow(0, 0, 100)));
    EXPECT_FALSE(at::equal(draw(100, 5), draw(100, 6)));
  }
}

TEST(SwissRoll, points_lie_about_the_spiral) {
  const at::Tensor points = swiss_roll(count, 3).to(at::kDouble) * 7.5;
  const at::Tensor t = at::linspace(1.5 * std::numbers::pi, 4.5 * std::numbers::pi, 4000, at::kDouble);
  const at::Tensor spiral = at::stack({t * t.cos(), t * t.sin()}, 1);
  double sum = 0, furthest = 0;
  for (const at::Tensor& piece : points.split(1000)) {
    const at::Tensor nearest = std::get<0>(at::cdist(piece, spiral).min(1));
    sum += nearest.square().sum().item<double>();
    furthest = std::max(furthest, nearest.max().item<double>());
  }
  EXPECT_NEAR(std::sqrt(sum / count), 0.25, 0.01);  // across the line; little is lost at its two ends
  EXPECT_LT(furthest, 0.25 * 5.5);
  // E t^2 = (a^2 + ab + b^2)/3 for t uniform on (a, b); the noise adds 2 * 0.25^2.
  const double a = 1.5 * std::numbers::pi, b = 3 * a;
  EXPECT_NEAR(points.square().sum(1).mean().item<double>(), (a * a + a * b + b * b) / 3 + 0.125, 1.0);
}

}  // namespace
}  // namespace ddls::data::toy_test
