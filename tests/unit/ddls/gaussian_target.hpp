#pragma once
// Targets with known answers.
#include <ATen/ATen.h>

#include <cmath>
#include <utility>

#include "ddls/method.hpp"
#include "ddls/target.hpp"
#include "test_device.hpp"

namespace ddls::sampling {

// E(z) = z'Pz / 2 with a symmetric precision matrix P [k, k], split as prior N(0, I) and log-ratio -z'(P - I)z / 2.
inline Target gaussian_target(const at::Tensor& precision) {
  const at::Tensor extra = precision - at::eye(precision.size(0), precision.options());
  Target target;
  target.latent_dim = precision.size(0);
  target.device = precision.device();
  target.decode_by = [](const at::Tensor& z, const at::Tensor&) { return z; };
  target.evaluate_by = [extra](const at::Tensor& z, const at::Tensor&) {
    // Row by row sums: a chain's value must not depend on how many chains there are, as a matrix product's may.
    const at::Tensor pulled = (z.unsqueeze(1) * extra.to(z.dtype())).sum(2);
    return Evaluation{-0.5 * z.square().sum(1), -0.5 * (pulled * z).sum(1), -pulled};
  };
  target.score_by = [evaluate = target.evaluate_by](const at::Tensor& x, const at::Tensor& labels) {
    return evaluate(x, labels).log_ratio;
  };
  return target;
}

// E(z) = sum_i lambda_i z_i^2 / 2.
inline Target gaussian_target(const std::vector<double>& precisions) {
  return gaussian_target(at::diag(at::tensor(precisions).to(test::there())));
}

// w N((m, 0), s^2 I) + (1 - w) N((-m, 0), s^2 I) in the plane: r(z) = log mixture(z) - log N(z; 0, I), by autograd.
inline Target mixture_target(double m, double s, double w = 0.5) {
  const auto log_ratio = [m, s, w](const at::Tensor& z, const at::Tensor&) {
    const at::Tensor x = z.select(1, 0), y = z.select(1, 1);
    const auto part = [&](double centre, double weight) {
      return ((x - centre).square() + y.square()) / (-2 * s * s) + std::log(weight);
    };
    return at::logaddexp(part(m, w), part(-m, 1 - w)) + 0.5 * z.square().sum(1);
  };
  return make_target([](const at::Tensor& z, const at::Tensor&) { return z; }, log_ratio, 2, test::device());
}

inline Chains run_chains(const Method& method, const Target& target, const tensor::Noise& noise, int64_t count) {
  Chains chains = start(method, {0, count}, target, noise);
  for (int64_t step = 0; step < method.steps; ++step) method.advance(chains, step);
  return chains;
}

}  // namespace ddls::sampling
