#include "data/fit_image.hpp"

#include <ATen/ATen.h>

#include <gtest/gtest.h>

namespace ddls::data::fit_image_test {
namespace {

at::Tensor image_of(std::vector<int> values, std::vector<int64_t> sizes) {
  return at::tensor(values, at::kInt).to(at::kByte).reshape(sizes);
}

TEST(FitImage, the_same_size_is_the_centre_square_unchanged) {
  const at::Tensor image = at::arange(2 * 5 * 9, at::kInt).to(at::kByte).reshape({2, 5, 9});
  EXPECT_TRUE(at::equal(fit_image(image, 5), image.narrow(2, 2, 5)));
  EXPECT_TRUE(at::equal(fit_image(image.transpose(1, 2), 5), image.transpose(1, 2).narrow(1, 2, 5)));
}

TEST(FitImage, smaller_by_areas) {
  const at::Tensor image = image_of({0, 10, 100, 100, 20, 31, 100, 100, 4, 4, 0, 255, 4, 4, 255, 0}, {1, 4, 4});
  EXPECT_TRUE(at::equal(fit_image(image, 2), image_of({15, 100, 4, 128}, {1, 2, 2})));  // 15.25, 100, 4, 127.5
  // Three pixels onto two: each output covers one pixel and half of the middle one.
  const at::Tensor three = image_of({0, 90, 30, 0, 90, 30, 0, 90, 30}, {1, 3, 3});
  EXPECT_TRUE(at::equal(fit_image(three, 2), image_of({30, 50, 30, 50}, {1, 2, 2})));
}

TEST(FitImage, larger_by_lines_between_centres) {
  const at::Tensor image = image_of({0, 100, 0, 100}, {1, 2, 2});
  const at::Tensor row = image_of({0, 25, 75, 100}, {1, 1, 4});
  EXPECT_TRUE(at::equal(fit_image(image, 4), row.expand({1, 4, 4})));
  EXPECT_TRUE(at::equal(fit_image(image_of({9}, {1, 1, 1}), 3), image_of({9, 9, 9, 9, 9, 9, 9, 9, 9}, {1, 3, 3})));
}

TEST(FitImage, a_constant_stays_constant_at_every_size) {
  const at::Tensor white = at::full({3, 37, 50}, 255, at::kByte);
  for (const int64_t size : {1, 2, 17, 32, 36, 37, 38, 64}) {
    EXPECT_TRUE(at::equal(fit_image(white, size), at::full({3, size, size}, 255, at::kByte))) << size;
  }
}

TEST(FitImage, channels_do_not_mix) {
  const at::Tensor image = at::stack({at::full({6, 6}, 10), at::full({6, 6}, 200)}).to(at::kByte);
  const at::Tensor fitted = fit_image(image, 4);
  EXPECT_TRUE(fitted[0].eq(10).all().item<bool>());
  EXPECT_TRUE(fitted[1].eq(200).all().item<bool>());
}

}  // namespace
}  // namespace ddls::data::fit_image_test
