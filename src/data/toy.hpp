#pragma once
// The 2-D densities of the paper's first experiment, as docs/algorithm.md, equation 48 defines them.
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace ddls::data {

inline constexpr double gaussians25_scale = 2.828;  // all coordinates are divided by this
inline constexpr double gaussians25_sd = 0.05;      // before the division

at::Tensor gaussians25(int64_t count, uint64_t seed);  // float32 [count, 2]
at::Tensor gaussians25_centres();                      // float32 [25, 2], after the division
at::Tensor swiss_roll(int64_t count, uint64_t seed);   // float32 [count, 2]

}  // namespace ddls::data
