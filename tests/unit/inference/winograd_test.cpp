// Winograd against the plain convolutions of ATen, in float64, where both are exact but for rounding.
#include "inference/winograd/winograd.hpp"

#include <gtest/gtest.h>
#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include "inference/convolve.hpp"
#include "unit/inference/draws.hpp"

namespace ddls::inference::winograd_test {
namespace {

using test::distance;
using test::draws;

struct Case {
  int64_t stride, images, height, width, from, to;  // of the small image
};

// Images that are not square, more tiles than fit the planes at a time, and channels that make the last piece uneven.
const Case cases[] = {{1, 5, 12, 8, 128, 256}, {2, 5, 12, 8, 64, 136}, {1, 3, 2, 2, 512, 512}, {2, 1, 4, 6, 8, 16}};

struct Problem {
  explicit Problem(const Case& c, at::ScalarType type)
      : x(draws({c.images, c.from, c.stride * c.height, c.stride * c.width}, 0).to(type)),
        y(draws({c.images, c.to, c.height, c.width}, 1).to(type)),
        weight(draws({c.to, c.from, c.stride + 2, c.stride + 2}, 2).to(type)),
        small_bias(draws({c.to}, 3).to(type)),
        big_bias(draws({c.from}, 4).to(type)),
        to_small(winograd::Result::small, winograd::transformed(weight, c.stride)),
        to_big(winograd::Result::big, winograd::transformed(weight, c.stride)) {}
  at::Tensor x, y, weight, small_bias, big_bias;
  winograd::Kernels to_small, to_big;
};

std::array<at::Tensor, 2> plain_gradients(const Problem& p, int64_t stride) {
  const auto [dx, dw, db] = at::convolution_backward(p.y, p.x, p.weight, std::nullopt, {stride, stride}, {1, 1}, {1, 1},
                                                     false, {0, 0}, 1, {true, true, false});
  return {dx, dw};
}

TEST(Winograd, IsTheConvolutionItsAdjointAndTheGradientOfItsWeight) {
  for (const Case& c : cases)
    for (const at::ScalarType type : {at::kDouble, at::kFloat}) {
      SCOPED_TRACE(testing::Message() << "stride " << c.stride << ", " << c.from << " to " << c.to << ", " << type);
      const Problem p(c, type);
      const double tolerance = type == at::kDouble ? 1e-14 : 3e-6;
      const at::Tensor y = winograd::big_to_small(p.x, p.to_small, {.bias = p.small_bias});
      EXPECT_LT(distance(y, at::conv2d(p.x, p.weight, p.small_bias, c.stride, 1)), tolerance);
      EXPECT_TRUE(y.is_contiguous(at::MemoryFormat::ChannelsLast));
      EXPECT_LT(distance(winograd::small_to_big(p.y, p.to_big, p.big_bias),
                         at::conv_transpose2d(p.y, p.weight, p.big_bias, c.stride, 1)),
                tolerance);
      const auto [dx, dw] = plain_gradients(p, c.stride);
      EXPECT_LT(distance(winograd::small_to_big(p.y, p.to_big), dx), tolerance);
      EXPECT_LT(distance(winograd::weight_gradient(p.x, p.y), dw), tolerance);
    }
}

// Both ways against float64 on the same rounded values. The plain one rounds its results once; ours rounds the planes
// too, of images and of kernels.
TEST(Winograd, InBfloat16RoundsAtMostFourTimesAsMuchAsThePlainWay) {
  if (!winograd::bfloat16_pays()) GTEST_SKIP() << "not the way of this processor";
  const auto wide = [](const at::Tensor& t) { return t.to(at::kDouble); };
  for (const Case& c : {Case{1, 5, 12, 8, 128, 256}, Case{2, 5, 12, 8, 64, 144}, Case{1, 3, 2, 2, 512, 512}}) {
    SCOPED_TRACE(testing::Message() << "stride " << c.stride << ", " << c.from << " to " << c.to);
    const Problem p(c, at::kBFloat16);
    const auto expect_close = [&](const at::Tensor& ours, const at::Tensor& plain, const at::Tensor& exact) {
      EXPECT_LT(distance(wide(ours), exact), 4 * distance(wide(plain), exact));
    };
    const auto small = [&](auto as) { return at::conv2d(as(p.x), as(p.weight), as(p.small_bias), c.stride, 1); };
    const auto big = [&](auto as) { return at::conv_transpose2d(as(p.y), as(p.weight), as(p.big_bias), c.stride, 1); };
    const auto itself = [](const at::Tensor& t) { return t; };
    expect_close(winograd::big_to_small(p.x, p.to_small, {p.small_bias}), small(itself), small(wide));
    expect_close(winograd::big_to_small(p.x, p.to_small, {p.small_bias, 0}), at::relu(small(itself)),
                 at::relu(small(wide)));
    expect_close(winograd::small_to_big(p.y, p.to_big, p.big_bias), big(itself), big(wide));
    const auto weight_gradient = [&](auto as) {
      return std::get<1>(at::convolution_backward(as(p.y), as(p.x), as(p.weight), std::nullopt, {c.stride, c.stride},
                                                  {1, 1}, {1, 1}, false, {0, 0}, 1, {false, true, false}));
    };
    const at::Tensor gradient = winograd::weight_gradient(p.x, p.y);
    EXPECT_EQ(gradient.scalar_type(), at::kFloat);
    expect_close(gradient, weight_gradient(itself), weight_gradient(wide));
  }
}

TEST(Winograd, AppliesAnActivationToItsResults) {
  const Problem p(cases[0], at::kDouble);
  const at::Tensor y = at::conv2d(p.x, p.weight, p.small_bias, 1, 1);
  EXPECT_LT(distance(winograd::big_to_small(p.x, p.to_small, {p.small_bias, 0}), at::relu(y)), 1e-14);
  EXPECT_LT(distance(winograd::big_to_small(p.x, p.to_small, {p.small_bias, 0.2}), at::leaky_relu(y, 0.2)), 1e-14);
  EXPECT_LT(distance(winograd::big_to_small(p.x, p.to_small, {{}, 0}), at::relu(y - p.small_bias.view({1, -1, 1, 1}))),
            1e-14);
}

TEST(Winograd, TakesImagesOfAnyLayout) {
  const Problem p(cases[1], at::kDouble);
  EXPECT_TRUE(at::equal(winograd::big_to_small(p.x.contiguous(), p.to_small), winograd::big_to_small(p.x, p.to_small)));
  EXPECT_TRUE(at::equal(winograd::small_to_big(p.y.contiguous(), p.to_big), winograd::small_to_big(p.y, p.to_big)));
}

TEST(Winograd, IsTakenWhereItFits) {
  const auto weight = [](int64_t to, int64_t from, int64_t kernel) { return draws({to, from, kernel, kernel}, 0); };
  EXPECT_FALSE(winograd::pays_for(weight(64, 3, 3), 1, 1, at::kFloat));     // three channels are no vector
  EXPECT_FALSE(winograd::pays_for(weight(128, 128, 3), 1, 0, at::kFloat));  // padding
  EXPECT_FALSE(winograd::pays_for(weight(128, 128, 3), 2, 1, at::kFloat));  // stride
  EXPECT_FALSE(winograd::pays_for(weight(128, 128, 3), 1, 1, at::kDouble));
  EXPECT_FALSE(winograd::tiles_fit(7, 8));
  EXPECT_TRUE(winograd::tiles_fit(2, 8));
}

// First gradients by Winograd, gradients of a gradient's norm by ATen; both against ATen alone.
template <typename Ours, typename Theirs>
void expect_equal_gradients(const Problem& p, const at::Tensor& input, const at::Tensor& bias, Ours ours,
                            Theirs theirs) {
  const auto gradients = [&](auto function, bool twice) {
    const at::Tensor x = input.detach().clone().requires_grad_(), w = p.weight.detach().clone().requires_grad_(),
                     b = bias.detach().clone().requires_grad_();
    at::Tensor value = function(x, w, b).square().sum();
    if (twice) value = torch::autograd::grad({value}, {x}, {}, true, /*create_graph=*/true)[0].square().sum();
    return torch::autograd::grad({value}, {x, w, b});
  };
  for (const bool twice : {false, true}) {
    const auto a = gradients(ours, twice), b = gradients(theirs, twice);
    for (size_t i = 0; i < a.size(); ++i)
      EXPECT_LT(distance(a[i], b[i]), 1e-5) << "gradient " << i << ", twice " << twice;
  }
}

TEST(Winograd, GradientsAndGradientsOfGradients) {
  if (!winograd::pays_for(draws({128, 128, 3, 3}, 0), 1, 1, at::kFloat))
    GTEST_SKIP() << "not the way of this processor";
  for (const Case& c : {cases[0], cases[1]}) {
    const Problem p(c, at::kFloat);
    ASSERT_TRUE(winograd::pays_for(p.weight, c.stride, 1, at::kFloat));
    expect_equal_gradients(
        p, p.x, p.small_bias, [&](auto x, auto w, auto b) { return convolve(x, w, b, c.stride, 1); },
        [&](auto x, auto w, auto b) { return at::conv2d(x, w, b, c.stride, 1); });
    expect_equal_gradients(
        p, p.y, p.big_bias, [&](auto y, auto w, auto b) { return convolve_transposed(y, w, b, c.stride, 1); },
        [&](auto y, auto w, auto b) { return at::conv_transpose2d(y, w, b, c.stride, 1); });
  }
}

TEST(Winograd, LayersWithoutABiasTrain) {
  if (!winograd::pays_for(draws({128, 128, 3, 3}, 0), 1, 1, at::kFloat))
    GTEST_SKIP() << "not the way of this processor";
  const Problem p(cases[0], at::kFloat);
  const auto gradients = [&](auto function, const at::Tensor& input) {
    const at::Tensor x = input.detach().clone().requires_grad_(), w = p.weight.detach().clone().requires_grad_();
    return torch::autograd::grad({function(x, w).square().sum()}, {x, w});
  };
  const int64_t stride = cases[0].stride;
  const auto ours = gradients([&](auto x, auto w) { return convolve(x, w, {}, stride, 1); }, p.x);
  const auto theirs = gradients([&](auto x, auto w) { return at::conv2d(x, w, {}, stride, 1); }, p.x);
  for (size_t i = 0; i < ours.size(); ++i) EXPECT_LT(distance(ours[i], theirs[i]), 1e-5) << "gradient " << i;
  const Problem two(cases[1], at::kFloat);
  const at::Tensor y = two.y.detach().clone().requires_grad_();
  const at::Tensor big = convolve_transposed(y, two.weight, {}, cases[1].stride, 1);
  EXPECT_LT(distance(big, at::conv_transpose2d(two.y, two.weight, {}, cases[1].stride, 1)), 1e-5);
}

}  // namespace
}  // namespace ddls::inference::winograd_test
