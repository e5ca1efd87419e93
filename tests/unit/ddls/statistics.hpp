#pragma once
// Tests of distribution at a fixed seed. Every bound is chosen so that a correct sampler fails with probability below
// 1e-6 per check over the choice of seeds.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

namespace ddls::sampling {

inline double normal_cdf(double x, double sd = 1) { return 0.5 * std::erfc(-x / (sd * std::sqrt(2.0))); }

// Kolmogorov-Smirnov: P(sqrt(n) D > 2.7) = 2 e^{-2 * 2.7^2} = 9.3e-7 for independent draws of a continuous law.
inline void expect_law(const at::Tensor& draws, const std::function<double(double)>& cdf) {
  const at::Tensor sorted = std::get<0>(draws.flatten().to(at::kDouble).cpu().sort());
  const double* x = sorted.data_ptr<double>();
  const auto n = static_cast<double>(sorted.numel());
  double distance = 0;
  for (int64_t i = 0; i < sorted.numel(); ++i) {
    const double p = cdf(x[i]), below = static_cast<double>(i) / n;
    distance = std::max({distance, p - below, below + 1 / n - p});
  }
  EXPECT_LT(std::sqrt(n) * distance, 2.7);
}

// Mean 0 and the given variance of independent normal draws, to 5 standard errors (6e-7 each).
inline void expect_variance(const at::Tensor& z, double exact) {
  const auto n = static_cast<double>(z.numel());
  EXPECT_NEAR(z.to(at::kDouble).square().mean().item<double>(), exact, 5 * exact * std::sqrt(2 / n));
  EXPECT_NEAR(z.to(at::kDouble).mean().item<double>(), 0, 5 * std::sqrt(exact / n));
}

}  // namespace ddls::sampling
