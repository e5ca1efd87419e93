#pragma once
// A target with known answers: E(z) = sum_i lambda_i z_i^2 / 2, split as prior N(0, I) and log-ratio
// -sum (lambda_i - 1) z_i^2 / 2.
#include <ATen/ATen.h>

#include "ddls/target.hpp"

namespace ddls {

inline Target gaussian_target(std::vector<double> precisions) {
  const at::Tensor lambda = at::tensor(precisions).to(at::kFloat);
  Target target;
  target.latent_dim = lambda.numel();
  target.decode = [](const at::Tensor& z) { return z; };
  target.evaluate = [lambda](const at::Tensor& z) {
    const at::Tensor extra = (lambda - 1) * z;
    return Evaluation{-0.5 * z.square().sum(1), -0.5 * (extra * z).sum(1), -extra};
  };
  return target;
}

}  // namespace ddls
