#include "models/batch_norm.hpp"

#include <gtest/gtest.h>
#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include "base/error.hpp"
#include "models/network.hpp"
#include "tensor/noise.hpp"
#include "test_device.hpp"

namespace ddls::models::batch_norm_test {
namespace {

at::Tensor draws(at::IntArrayRef shape, int64_t id = 0) {
  const int64_t count = c10::multiply_integers(shape);
  return tensor::Noise{5}.normal({id, id + 1}, count, 0, Stream::init, test::device()).view(shape);
}

at::Tensor labels(int64_t n, int64_t classes) { return at::arange(n, test::there(at::kLong)).remainder(classes); }

// A cross-rank sum as one rank of two sees it: the other rank's vectors are known.
CrossRankSum with_other(const at::Tensor& other) {
  return [other](const at::Tensor& mine) { return mine + other.to(mine.options()); };
}

at::Tensor vector_of(const at::Tensor& x) {  // what a rank sends for x [n, c, h, w]
  const at::Tensor wide = x.to(at::kDouble);
  const double count = static_cast<double>(x.numel() / x.size(1));
  return at::cat({at::full({1}, count, test::there(at::kDouble)), wide.sum({0, 2, 3}), wide.square().sum({0, 2, 3})});
}

TEST(BatchNorm, TwoRanksNormaliseByTheGlobalBatch) {
  const at::Tensor all = draws({7, 3, 4, 4}) * 0.1 + 20;  // a mean 200 times the deviation
  const at::Tensor mine = all.narrow(0, 0, 3), theirs = all.narrow(0, 3, 4);
  BatchNorm local(3), global(3);
  global.synchronise(with_other(vector_of(theirs)));
  const at::Tensor expected = local.forward(all.to(at::kDouble).to(at::kFloat)).narrow(0, 0, 3);
  const at::Tensor wide = all.to(at::kDouble);
  const at::Tensor exact =
      ((wide - wide.mean({0, 2, 3}, true)) / (wide.var({0, 2, 3}, false, true) + 1e-5).sqrt()).narrow(0, 0, 3);
  EXPECT_TRUE(at::allclose(global.forward(mine), expected, 1e-4, 1e-4));
  EXPECT_LT((global.forward(mine) - exact).abs().max().item<double>(), 1e-4);
  global.synchronise({});
  EXPECT_FALSE(at::allclose(global.forward(mine), expected, 1e-3, 1e-3));  // its own statistics again
}

TEST(BatchNorm, SynchronisedOnOneRankIsTheSame) {
  BatchNorm plain(3), synchronised(3);
  synchronised.synchronise([](const at::Tensor& t) { return t; });
  for (const at::Tensor& x : {draws({6, 3, 4, 4}), draws({9, 3})}) {
    at::Tensor a = x.clone().requires_grad_(true), b = x.clone().requires_grad_(true);
    const at::Tensor ya = plain.forward(a), yb = synchronised.forward(b);
    EXPECT_TRUE(at::allclose(ya, yb, 1e-5, 1e-6));
    ya.pow(3).sum().backward();
    yb.pow(3).sum().backward();
    EXPECT_TRUE(at::allclose(a.grad(), b.grad(), 1e-4, 1e-5));
  }
}

// |d/dx sum tanh(norm(x))|^2, the derivative of it along a parameter against central differences, in float64.
void expect_second_derivatives(BatchNormBase& norm, const at::Tensor& condition, const at::Tensor& parameter) {
  norm.to(at::kDouble);
  norm.train();
  const at::Tensor x = draws({5, 3, 2, 2}).to(at::kDouble).requires_grad_(true);
  const at::Tensor weights = draws({5, 3, 2, 2}, 9).to(at::kDouble);
  const auto penalty = [&](const at::Tensor& input) {
    const at::Tensor y = (weights * at::tanh(norm.forward(input, condition))).sum();
    return torch::autograd::grad({y}, {input}, {}, true, true).front().square().sum();
  };
  const auto expect_slope = [&](const at::Tensor& leaf) {
    const at::Tensor gradient = torch::autograd::grad({penalty(x)}, {leaf}).front();
    const at::Tensor direction = draws(leaf.sizes(), 3).to(at::kDouble);
    const double h = 1e-5;
    const auto moved = [&](double by) {
      at::NoGradGuard no_grad;
      at::Tensor target = leaf;
      target.add_(direction, by);
    };
    moved(h);
    const double up = penalty(x).item<double>();
    moved(-2 * h);
    const double down = penalty(x).item<double>();
    moved(h);
    const double expected = (up - down) / (2 * h);
    EXPECT_NEAR((gradient * direction).sum().item<double>(), expected, 1e-6 * std::abs(up));
    EXPECT_GT(std::abs(expected), 1e-3);
  };
  expect_slope(parameter);
  expect_slope(x);
}

TEST(BatchNorm, SecondDerivatives) {
  BatchNorm plain(3), synchronised(3);
  synchronised.synchronise(with_other(vector_of(draws({4, 3, 2, 2}, 20) * 2 + 1)));
  expect_second_derivatives(plain, {}, plain.named_parameters()["weight"]);
  expect_second_derivatives(synchronised, {}, synchronised.named_parameters()["weight"]);
  ClassBatchNorm by_class(2, 3);
  expect_second_derivatives(by_class, labels(5, 2), by_class.named_parameters()["gains"]);
  by_class.synchronise(with_other(vector_of(draws({4, 3, 2, 2}, 20))));
  expect_second_derivatives(by_class, labels(5, 2), by_class.named_parameters()["gains"]);
}

TEST(BatchNorm, ClassesHaveTheirOwnGainsAndOffsets) {
  ClassBatchNorm norm(2, 3);
  BatchNorm plain(3);
  const at::Tensor x = draws({4, 3, 2, 2}), y = labels(4, 2);
  EXPECT_TRUE(at::allclose(norm.forward(x, y), plain.forward(x), 0, 1e-6));  // gains 1, offsets 0
  {
    at::NoGradGuard no_grad;
    norm.named_parameters()["gains"][1].fill_(3);
    norm.named_parameters()["offsets"][1].fill_(-2);
  }
  const at::Tensor changed = norm.forward(x, y), base = plain.forward(x);
  for (int64_t i = 0; i < 4; ++i)
    EXPECT_TRUE(at::allclose(changed[i], i % 2 == 1 ? base[i] * 3 - 2 : base[i], 0, 1e-5)) << i;
  EXPECT_THROW(norm.forward(x, {}), Error);
}

TEST(BatchNorm, VectorsMoveGainAndOffset) {
  VectorBatchNorm norm(2, 3, false);
  BatchNorm plain(3);
  const at::Tensor x = draws({4, 3, 2, 2}), c = draws({4, 2}, 1);
  at::NoGradGuard no_grad;
  norm.named_parameters()["gain.weight"].copy_(draws({3, 2}, 2));
  norm.named_parameters()["offset.weight"].copy_(draws({3, 2}, 3));
  const at::Tensor gains = 1 + at::mm(c, draws({3, 2}, 2).t()), offsets = at::mm(c, draws({3, 2}, 3).t());
  const at::Tensor expected = plain.forward(x) * gains.view({4, 3, 1, 1}) + offsets.view({4, 3, 1, 1});
  EXPECT_TRUE(at::allclose(norm.forward(x, c), expected, 1e-5, 1e-6));
}

// Seven batches by one process, and by three of which one gathers: the same bytes.
TEST(BatchNorm, MeasuringCanBeShared) {
  constexpr int64_t batches = 7;
  const at::Tensor x = draws({batches * 4, 3, 2, 2});
  const auto measured = [&](const BatchShare& share) {
    const auto norm = std::make_shared<BatchNorm>(3);
    measure_statistics(
        *norm, batches, [&](int64_t i) { norm->forward(x.narrow(0, 4 * i, 4)); }, share);
    return at::cat({norm->named_buffers()["mean"], norm->named_buffers()["variance"]});
  };
  at::Tensor others;
  for (int64_t rank = 1; rank < 3; ++rank)
    measured({rank, 3, [&](const at::Tensor& rows) { return others = others.defined() ? others + rows : rows; }});
  EXPECT_TRUE(at::equal(measured({0, 3, [&](const at::Tensor& rows) { return rows + others; }}), measured({})));
  // More processes than batches.
  EXPECT_TRUE(
      at::equal(measured({8, 9, [](const at::Tensor& rows) { return rows + 1; }}), at::ones({6}, test::there())));
}

TEST(BatchNorm, MeasuringIsNeverCollectiveAndTakesLabels) {
  const auto shared = std::make_shared<ClassBatchNorm>(2, 3);
  ClassBatchNorm& norm = *shared;
  int64_t sums = 0;
  norm.synchronise([&](const at::Tensor& t) { return ++sums, t; });
  const at::Tensor x = draws({8, 3, 2, 2}), y = labels(8, 2);
  measure_statistics(norm, 2, [&](int64_t i) { norm.forward(x.narrow(0, 4 * i, 4), y.narrow(0, 4 * i, 4)); });
  EXPECT_EQ(sums, 0);
  EXPECT_FALSE(norm.is_training());
  const at::Tensor wide = x.to(at::kDouble);
  EXPECT_TRUE(at::allclose(norm.named_buffers()["mean"].to(at::kDouble), wide.mean({0, 2, 3}), 1e-5, 1e-7));
  norm.train();
  norm.forward(x, y);
  EXPECT_EQ(sums, 1);
}

}  // namespace
}  // namespace ddls::models::batch_norm_test
