#pragma once
#include "ddls/method.hpp"

namespace ddls::sampling {

// Langevin on the samples themselves, from G(z): no term for p_g.
struct PixelLangevinOptions {
  int64_t steps = 100;
  double step_size = 0.01;  // epsilon
  double noise_std = 1;     // multiple of sqrt(epsilon)
};

// Throws Error(config) where the target gives no score of samples.
Method pixel_langevin(const PixelLangevinOptions& options, const Target& target, const tensor::Noise& noise);

}  // namespace ddls::sampling
