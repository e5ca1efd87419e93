#include "models/losses.hpp"

#include <ATen/ATen.h>

#include "base/error.hpp"

namespace ddls::models {

at::Tensor logistic_loss(const at::Tensor& real, const at::Tensor& fake) {
  return at::softplus(-real).mean() + at::softplus(fake).mean();
}

GanLoss gan_loss(const std::string& name) {
  using T = const at::Tensor&;
  if (name == "non_saturating") return {logistic_loss, [](T fake) { return at::softplus(-fake).mean(); }};
  if (name == "minimax") return {logistic_loss, [](T fake) { return -at::softplus(fake).mean(); }};
  if (name == "hinge")
    return {[](T real, T fake) { return at::relu(1 - real).mean() + at::relu(1 + fake).mean(); },
            [](T fake) { return -fake.mean(); }};
  if (name == "wasserstein")
    return {[](T real, T fake) { return fake.mean() - real.mean(); }, [](T fake) { return -fake.mean(); }};
  if (name == "least_squares")
    return {[](T real, T fake) { return (real - 1).square().mean() + fake.square().mean(); },
            [](T fake) { return (fake - 1).square().mean(); }};
  if (name == "relativistic")
    return {[](T real, T fake) { return at::softplus(fake - real).mean(); }, nullptr,
            [](T real, T fake) { return at::softplus(real - fake).mean(); }};
  fail(Exit::config, "train.loss: there is no '{}'", name);
}

}  // namespace ddls::models
