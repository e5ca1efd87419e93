#include "tensor/adam.hpp"

#include <gtest/gtest.h>
#include <ATen/ATen.h>
#include <torch/optim/adam.h>

#include "base/error.hpp"

namespace ddls::tensor::adam_test {
namespace {

TEST(Adam, AgreesWithTorchOptim) {
  const config::AdamConfig config{1e-2, 0.5, 0.9};
  at::Tensor ours = at::linspace(-1, 1, 100), theirs = ours.clone().requires_grad_(true);
  Adam adam(config, ours);
  torch::optim::Adam reference({theirs}, torch::optim::AdamOptions(1e-2).betas({0.5, 0.9}));
  for (int step = 0; step < 20; ++step) {
    const at::Tensor gradient = ours.sin() * (step + 1);
    theirs.mutable_grad() = (theirs.detach().sin() * (step + 1));
    adam.step(ours, gradient, 1e-2);
    reference.step();
  }
  EXPECT_TRUE(at::allclose(ours, theirs.detach(), 1e-5, 1e-6));
}

TEST(Adam, StateRoundTripGivesTheSameBits) {
  const config::AdamConfig config{1e-2, 0.5, 0.9};
  at::Tensor a = at::ones({64}), b;
  Adam first(config, a);
  for (int i = 0; i < 3; ++i) first.step(a, a * 2, 1e-2);
  b = a.clone();
  Adam second(config, b);
  second.load(first.state(), "saved");
  first.step(a, a * 3, 1e-2);
  second.step(b, b * 3, 1e-2);
  EXPECT_TRUE(at::equal(a, b));
  EXPECT_THROW(Adam(config, at::ones({3})).load(first.state(), "saved"), Error);
}

TEST(Schedule, FallsToZero) {
  config::AdamConfig c{2.0, 0.9, 0.999, "constant"};
  EXPECT_DOUBLE_EQ(learning_rate(c, 99, 100), 2.0);
  c.schedule = "linear";
  EXPECT_DOUBLE_EQ(learning_rate(c, 0, 100), 2.0);
  EXPECT_DOUBLE_EQ(learning_rate(c, 75, 100), 0.5);
  c.constant_until = 0.5;
  EXPECT_DOUBLE_EQ(learning_rate(c, 50, 100), 2.0);
  EXPECT_DOUBLE_EQ(learning_rate(c, 75, 100), 1.0);
  c.schedule = "cosine";
  EXPECT_NEAR(learning_rate(c, 75, 100), 1.0, 1e-12);
  EXPECT_NEAR(learning_rate(c, 100, 100), 0.0, 1e-12);
}

}  // namespace
}  // namespace ddls::tensor::adam_test
