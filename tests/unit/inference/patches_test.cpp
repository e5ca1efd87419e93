// Products with patches against the plain convolutions of ATen, in float64, where both are exact but for rounding.
#include "inference/patches.hpp"

#include <gtest/gtest.h>
#include <ATen/ATen.h>

#include "inference/processor.hpp"
#include "unit/inference/draws.hpp"

namespace ddls::inference::patches_test {
namespace {

using test::distance;
using test::draws;

struct Case {
  int64_t stride, images, height, width, from, to;  // of the small image
};

// Images that are not square, of odd sides and of one pixel; more of them than fit at a time.
const Case cases[] = {{1, 5, 6, 3, 5, 7}, {2, 5, 3, 5, 6, 9},   {1, 2, 1, 1, 4, 4},
                      {2, 1, 1, 2, 8, 3}, {1, 140, 4, 4, 8, 8}, {2, 300, 4, 4, 4, 8}};

struct Problem {
  Problem(const Case& c, at::ScalarType type)
      : x(draws({c.images, c.from, c.stride * c.height, c.stride * c.width}, 0).to(type)),
        y(draws({c.images, c.to, c.height, c.width}, 1).to(type)),
        weight(draws({c.to, c.from, c.stride + 2, c.stride + 2}, 2).to(type)),
        small_bias(draws({c.to}, 3).to(type)),
        big_bias(draws({c.from}, 4).to(type)) {}
  at::Tensor x, y, weight, small_bias, big_bias;
};

struct Results {
  at::Tensor small, big, gradient, weight_gradient;
};

Results ours(const Problem& p) {
  return {patches::big_to_small(p.x, p.weight, p.small_bias), patches::small_to_big(p.y, p.weight, p.big_bias),
          patches::small_to_big(p.y, p.weight), patches::weight_gradient(p.x, p.y)};
}

Results plain(const Problem& p, int64_t stride) {
  const auto [dx, dw, db] = at::convolution_backward(p.y, p.x, p.weight, std::nullopt, {stride, stride}, {1, 1}, {1, 1},
                                                     false, {0, 0}, 1, {true, true, false});
  return {at::conv2d(p.x, p.weight, p.small_bias, stride, 1),
          at::conv_transpose2d(p.y, p.weight, p.big_bias, stride, 1), dx, dw};
}

void expect_close(const Results& a, const Results& b, double tolerance) {
  EXPECT_LT(distance(a.small, b.small), tolerance);
  EXPECT_LT(distance(a.big, b.big), tolerance);
  EXPECT_LT(distance(a.gradient, b.gradient), tolerance);
  EXPECT_LT(distance(a.weight_gradient, b.weight_gradient), tolerance);
}

TEST(Patches, AreTheConvolutionItsAdjointAndTheGradientOfItsWeight) {
  for (const Case& c : cases)
    for (const at::ScalarType type : {at::kDouble, at::kFloat, at::kBFloat16}) {
      SCOPED_TRACE(testing::Message() << "stride " << c.stride << ", " << c.images << " images, " << type);
      const Problem p(c, type);
      const Results results = ours(p);
      expect_close(results, plain(p, c.stride),
                   type == at::kDouble           ? 1e-14
                   : type == at::kFloat          ? 3e-6
                   : multiplies_bfloat16_tiles() ? 8e-3
                                                 : 0.03);
      for (const at::Tensor& image : {results.small, results.big, results.gradient, results.weight_gradient})
        EXPECT_TRUE(image.is_contiguous(at::MemoryFormat::ChannelsLast));
      EXPECT_EQ(results.weight_gradient.scalar_type(), type == at::kBFloat16 ? at::kFloat : type);
    }
}

TEST(Patches, TakeImagesOfAnyLayout) {
  for (const Case& c : {cases[0], cases[1]}) {
    Problem p(c, at::kDouble);
    const Results before = ours(p);
    p.x = p.x.contiguous(), p.y = p.y.contiguous(), p.weight = p.weight.contiguous();
    expect_close(ours(p), before, 1e-15);
  }
}

TEST(Patches, PayInBfloat16ForManyChannelsAtFewPositions) {
  using patches::Output;
  const int64_t wide[] = {512, 512, 3, 3}, narrow[] = {64, 64, 3, 3};
  for (const Output output : {Output::small, Output::big, Output::kernel}) {
    EXPECT_EQ(patches::pays_for(output, wide, 16, at::kBFloat16), multiplies_bfloat16_tiles());
    EXPECT_FALSE(patches::pays_for(output, wide, 16, at::kFloat));
    EXPECT_FALSE(patches::pays_for(output, wide, 256, at::kBFloat16));
    EXPECT_FALSE(patches::pays_for(output, narrow, 16, at::kBFloat16));
  }
}

}  // namespace
}  // namespace ddls::inference::patches_test
