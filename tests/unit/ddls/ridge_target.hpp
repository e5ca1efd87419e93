#pragma once
// A target of any dimension whose ratio sees one direction alone: r = -c (w_0 - m)^2 / 2. Then w_0 ~ N(c m / (1 + c), 1
// / (1 + c)), the other coordinates are the prior's.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "ddls/chains.hpp"
#include "ddls/method.hpp"
#include "test_device.hpp"

namespace ddls::test {

inline constexpr double ridge_c = 3, ridge_m = 2;

inline sampling::Target ridge_target(int64_t k) {
  sampling::Target target;
  target.latent_dim = k;
  target.device = device();
  target.decode_by = [](const at::Tensor& z, const at::Tensor&) { return z; };
  target.evaluate_by = [](const at::Tensor& z, const at::Tensor&) {
    const at::Tensor off = z.select(1, 0) - ridge_m;
    at::Tensor slope = at::zeros_like(z);
    slope.select(1, 0).copy_(off * -ridge_c);
    return sampling::Evaluation{-0.5 * z.square().sum(1), off.square() * (-ridge_c / 2), slope};
  };
  return target;
}

// Chains that start at half of a prior draw, whose norm is wrong.
inline sampling::Chains run_from_half(const sampling::Method& method, const sampling::Target& target,
                                      const tensor::Noise& noise, int64_t count) {
  sampling::Chains chains = sampling::start(method, {0, count}, target, noise);
  chains.z = chains.z * 0.5;
  chains.now = target.evaluate(chains.z);
  for (int64_t step = 0; step < method.steps; ++step) method.advance(chains, step);
  return chains;
}

// To 5 standard errors.
inline void expect_ridge_law(const at::Tensor& z) {
  const auto n = static_cast<double>(z.size(0)), k = static_cast<double>(z.size(1));
  const double mean = ridge_c * ridge_m / (1 + ridge_c), variance = 1 / (1 + ridge_c);
  const at::Tensor first = z.select(1, 0).to(at::kDouble);
  EXPECT_NEAR(first.mean().item<double>(), mean, 5 * std::sqrt(variance / n));
  EXPECT_NEAR((first - mean).square().mean().item<double>(), variance, 5 * variance * std::sqrt(2 / n));
  const at::Tensor others = z.narrow(1, 1, z.size(1) - 1).to(at::kDouble);
  EXPECT_NEAR(others.square().mean().item<double>(), 1, 5 * std::sqrt(2 / (n * (k - 1))));
}

}  // namespace ddls::test
