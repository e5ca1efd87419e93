#pragma once
// Platt's calibration (1999): sigma(alpha d + beta) is the probability that a sample with score d is real.
#include <ATen/core/Tensor.h>

namespace ddls::sampling {

struct Platt {
  double alpha = 1, beta = 0;
};

// The minimum of the cross-entropy by Newton's method with halved steps, for the targets (n1 + 1) / (n1 + 2) of the n1
// reals and 1 / (n0 + 2) of the n0 fakes, which keep it finite where scores separate them (Lin, Lin & Weng 2007).
// `real`, `fake`: [n1], [n0] float64, CPU. Throws Error(data) where alpha is not positive: such scores do not tell
// reals from fakes.
Platt fit_platt(const at::Tensor& real, const at::Tensor& fake);

}  // namespace ddls::sampling
