// Against PIL itself (tests/data/metrics/make_resize_fixtures.py), and what holds of any filter.
#include <ATen/ATen.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "data/fit_image.hpp"
#include "data/resample.hpp"
#include "tensor/npz.hpp"

namespace ddls::data::resample_test {
namespace {

struct Named {
  std::string name;
  Filter filter;
};

const std::vector<Named> pil_filters{
    {"box", Filter::box}, {"bilinear", Filter::bilinear}, {"bicubic", Filter::bicubic}, {"lanczos", Filter::lanczos}};
const std::vector<std::pair<int64_t, int64_t>> sizes{{5, 4}, {13, 17}, {5, 17}, {9, 4}, {4, 11}};

class Resample : public testing::Test {
 protected:
  const tensor::NamedTensors pil = tensor::read_npz(DDLS_TEST_DATA "/metrics/resize.npz");
  const at::Tensor images = pil.at("images").permute({0, 3, 1, 2}).contiguous();
};

TEST_F(Resample, bytes_are_those_of_pil) {
  for (const Named& one : pil_filters)
    for (const auto& [height, width] : sizes) {
      const at::Tensor own = resample(images, height, width, one.filter, true);
      const at::Tensor expected = pil.at(fmt::format("{}_{}x{}", one.name, height, width)).permute({0, 3, 1, 2});
      EXPECT_EQ((own.to(at::kInt) - expected.to(at::kInt)).abs().max().item<int>(), 0)
          << one.name << ' ' << height << ' ' << width;
    }
}

TEST_F(Resample, floats_are_those_of_clean_fid) {
  float least = 0;
  for (const Named& one : {pil_filters[2], pil_filters[3]})
    for (const auto& [height, width] : sizes) {
      const at::Tensor own = resample(images, height, width, one.filter, false)[0][0];
      const at::Tensor expected = pil.at(fmt::format("{}_float_{}x{}", one.name, height, width));
      EXPECT_LT((own - expected).abs().max().item<float>(), 1e-3F) << one.name << ' ' << height << ' ' << width;
      least = std::min(least, expected.min().item<float>());
    }
  EXPECT_LT(least, 0) << "the fixture should overshoot";
}

TEST_F(Resample, floats_and_bytes_are_a_level_apart_where_nothing_overshoots) {
  const at::Tensor grey = images.div(4, "floor").add(96);  // 96..159
  for (const Named& one : pil_filters) {
    const at::Tensor bytes = resample(grey, 5, 17, one.filter, true).to(at::kFloat);
    // Half a level by each pass, the first one's times the sum of the second's weights without their signs.
    EXPECT_LE((bytes - resample(grey, 5, 17, one.filter, false)).abs().max().item<float>(), 1.2F) << one.name;
  }
}

TEST_F(Resample, areas_are_those_of_fit_image) {
  const at::Tensor square = images.narrow(3, 0, 9);
  for (const int64_t side : {2, 5, 8, 9, 14}) {
    const at::Tensor own = resample(square, side, side, Filter::area, true);
    for (int64_t i = 0; i < 2; ++i) EXPECT_TRUE(at::equal(own[i], fit_image(square[i], side))) << side;
    const at::Tensor floats = resample(square, side, side, Filter::area, false);
    EXPECT_LE((own.to(at::kFloat) - floats).abs().max().item<float>(), 0.501F);
  }
  // Rectangles, each axis for itself: 9 -> 3 by areas, 11 -> 22 by lines.
  const at::Tensor values = resample(images, 3, 22, Filter::area, false);
  const at::Tensor rows = images.to(at::kFloat).view({2, 3, 3, 3, 11}).mean(3);
  EXPECT_NEAR(values[1][2][1][0].item<float>(), rows[1][2][1][0].item<float>(), 1e-3);
  EXPECT_NEAR(values[1][2][1][3].item<float>(),
              0.75 * rows[1][2][1][1].item<float>() + 0.25 * rows[1][2][1][2].item<float>(), 1e-3);
}

TEST_F(Resample, any_filter) {
  const at::Tensor white = at::full({1, 3, 37, 50}, 255, at::kByte);
  for (const Filter filter : {Filter::area, Filter::box, Filter::bilinear, Filter::bicubic, Filter::lanczos}) {
    EXPECT_TRUE(at::equal(resample(white, 20, 64, filter, true), at::full({1, 3, 20, 64}, 255, at::kByte)));
    EXPECT_TRUE(at::equal(resample(images, 9, 11, filter, true), images)) << "the same size is the same image";
    EXPECT_TRUE(at::equal(resample(images, 9, 11, filter, false), images.to(at::kFloat)));
    const at::Tensor both = resample(images, 6, 7, filter, true);
    EXPECT_TRUE(at::equal(resample(images.narrow(0, 1, 1), 6, 7, filter, true)[0], both[1])) << "each for itself";
  }
}

}  // namespace
}  // namespace ddls::data::resample_test
