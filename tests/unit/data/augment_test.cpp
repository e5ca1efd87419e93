#include "data/augment.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tensor/image_io.hpp"

namespace ddls::data::augment_test {
namespace {

const std::vector<int64_t> shape{3, 2, 5};

at::Tensor applied(const Augment& augment, const at::Tensor& image, int64_t position) {
  at::Tensor out = at::empty(image.sizes(), at::kFloat);
  augment.apply(image.const_data_ptr<uint8_t>(), image.sizes().vec(), position, out.mutable_data_ptr<float>());
  return out;
}

TEST(Augment, nothing_asked_for_is_dequantise) {
  const at::Tensor all = at::arange(256, at::kInt).to(at::kByte).view({1, 16, 16});
  EXPECT_TRUE(at::equal(applied({}, all, 3), tensor::dequantise(all)));
}

TEST(Augment, flips_half_of_the_positions_whole) {
  const at::Tensor image = (at::arange(30) * 7).to(at::kByte).view(shape);
  const at::Tensor plain = tensor::dequantise(image), mirrored = plain.flip(2);
  int64_t flipped = 0;
  constexpr int64_t positions = 1000;
  for (int64_t position = 0; position < positions; ++position) {
    const at::Tensor seen = applied({1, true}, image, position);
    const bool is_mirrored = at::equal(seen, mirrored);
    EXPECT_TRUE(is_mirrored || at::equal(seen, plain));
    EXPECT_TRUE(at::equal(seen, applied({1, true}, image, position)));
    flipped += is_mirrored;
  }
  EXPECT_NEAR(static_cast<double>(flipped), positions / 2.0, 5 * std::sqrt(positions / 4.0));
}

TEST(Augment, dequantised_values_stay_in_their_cell_and_fill_it) {
  const at::Tensor image = at::cat({at::full({1, 50, 50}, 0, at::kByte), at::full({1, 50, 50}, 255, at::kByte)});
  const at::Tensor x = applied({1, false, true}, image, 8);
  const at::Tensor noise = ((x.to(at::kDouble) + 1) * 128 - image.to(at::kDouble));
  EXPECT_GT(noise.min().item<double>(), 0);
  EXPECT_LT(noise.max().item<double>(), 1);
  EXPECT_LT(x.max().item<float>(), 1.0F);
  EXPECT_NEAR(noise.mean().item<double>(), 0.5, 5 * std::sqrt(1.0 / 12 / 5000));
  EXPECT_NEAR(noise.var().item<double>(), 1.0 / 12, 0.006);
  EXPECT_FALSE(at::equal(x, applied({1, false, true}, image, 9)));
  EXPECT_FALSE(at::equal(x, applied({2, false, true}, image, 8)));
}

TEST(Augment, crops_lie_anywhere) {
  EXPECT_FALSE(Augment{}.crop_place(1).has_value());
  Augment augment;
  augment.random_crop = true;
  double sum = 0;
  constexpr int64_t positions = 1000;
  for (int64_t position = 0; position < positions; ++position) {
    const double place = *augment.crop_place(position);
    EXPECT_GE(place, 0);
    EXPECT_LT(place, 1);
    sum += place;
  }
  EXPECT_NEAR(sum / positions, 0.5, 5 * std::sqrt(1.0 / 12 / positions));
}

}  // namespace
}  // namespace ddls::data::augment_test
