// The loss of pairs with both penalties: gradients in float64, and what its optimum is.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "models/losses.hpp"
#include "train/gradient_penalty.hpp"
#include "unit/train/finite_differences.hpp"

namespace ddls::train::relativistic_test {
namespace {

TEST(Relativistic, GradientsAgreeWithFiniteDifferences) {
  at::Tensor w = at::rand({4, 3}, at::kDouble).requires_grad_(true);
  const at::Tensor real = at::rand({6, 4}, at::kDouble).requires_grad_(true),
                   fake = at::rand({6, 4}, at::kDouble).requires_grad_(true);
  const models::GanLoss loss = models::gan_loss("relativistic");
  const auto score = [&](const at::Tensor& x) { return at::tanh(x.matmul(w)).square().sum(1); };
  const std::vector<std::function<at::Tensor()>> losses{
      [&] {
        const at::Tensor r = score(real), f = score(fake);
        return loss.discriminator(r, f) + r1_penalty(real, r) * 0.7 + r1_penalty(fake, f) * 0.7;
      },
      [&] { return loss.generator_of_pairs(score(real), score(fake)); }};
  for (const auto& value : losses) test::expect_gradient_of_differences(value, w);
}

// Reals and fakes of three kinds with chances p and q, every pair as often as it occurs: d = log p/q + a constant.
TEST(Relativistic, ItsOptimumIsTheLogRatioUpToAConstant) {
  const at::Tensor p = at::tensor({0.6, 0.3, 0.1}, at::kDouble), q = at::tensor({0.2, 0.3, 0.5}, at::kDouble);
  at::Tensor d = at::zeros({3}, at::kDouble).requires_grad_(true);
  const models::GanLoss loss = models::gan_loss("relativistic");
  const auto mean_loss = [&] {
    at::Tensor sum = at::zeros({}, at::kDouble);
    for (int64_t i = 0; i < 3; ++i)
      for (int64_t j = 0; j < 3; ++j)
        sum = sum + p[i] * q[j] * loss.discriminator(d.narrow(0, i, 1), d.narrow(0, j, 1));
    return sum;
  };
  for (int step = 0; step < 4000; ++step) d = (d - test::gradient_of(mean_loss(), d)).detach().requires_grad_(true);
  const at::Tensor off = d.detach() - (p / q).log();
  EXPECT_LT((off - off.mean()).abs().max().item<double>(), 1e-9);
}

}  // namespace
}  // namespace ddls::train::relativistic_test
