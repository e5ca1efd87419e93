#pragma once
#include <gtest/gtest.h>
#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

namespace ddls::test {

inline at::Tensor gradient_of(const at::Tensor& loss, const at::Tensor& x) {
  return torch::autograd::grad({loss}, {x}).front();
}

// The gradient of loss() with respect to w, float64, on which it depends by reference, against central differences.
template <typename Loss>
void expect_gradient_of_differences(const Loss& loss, at::Tensor& w) {
  constexpr double h = 1e-6;
  const at::Tensor analytic = gradient_of(loss(), w);
  for (int64_t i = 0; i < w.numel(); ++i) {
    const auto shifted = [&](double by) {
      at::Tensor kept = w;
      w = kept.detach().clone();
      w.view(-1)[i] += by;
      const double value = loss().template item<double>();
      w = kept;
      return value;
    };
    EXPECT_NEAR((shifted(h) - shifted(-h)) / (2 * h), analytic.view(-1)[i].item<double>(), 1e-6);
  }
}

}  // namespace ddls::test
