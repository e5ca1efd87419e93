#pragma once
#include "ddls/method.hpp"

namespace ddls::sampling {

// Algorithm 1 of the paper.
struct UlaOptions {
  int64_t steps = 1000;
  double step_size = 0.01;   // epsilon
  double step_size_end = 0;  // 0: constant; else geometric from step_size to this
  double noise_std = 1;      // multiple of sqrt(epsilon); T = noise_std^2
};

Method ula(const UlaOptions& options, const Target& target, const tensor::Noise& noise);

// `options.steps` moves of that kernel from z [n, k], numbered from `first_step` and all of options.step_size: the same
// values at one gradient per move. The kernel takes one more, where it ends.
at::Tensor moved_by_ula(const UlaOptions& options, const Target& target, const tensor::Noise& noise, IdRange ids,
                        at::Tensor z, const at::Tensor& labels, int64_t first_step);

}  // namespace ddls::sampling
