#pragma once
// The noise of base/counter_noise.hpp as tensors.
#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>

#include "base/blocks.hpp"
#include "base/counter_noise.hpp"

namespace ddls::tensor {

struct Noise {
  uint64_t seed = 0;

  // float32 [ids.size(), dim] on `device`. On a GPU one kernel makes it there: uniforms are the CPU's, normals the
  // CPU's to the rounding of log, cos and sin (a program that was built without CUDA makes it on the CPU
  // and copies).
  at::Tensor normal(IdRange ids, int64_t dim, int64_t step, Stream stream,
                    c10::Device device = c10::DeviceType::CPU) const;
  at::Tensor uniform(IdRange ids, int64_t dim, int64_t step, Stream stream,
                     c10::Device device = c10::DeviceType::CPU) const;  // in (0, 1)

  // z - (z - slope) eps / 2 + noise_std sqrt(eps) n with n = normal(ids, z.size(1), step, stream) on the device of z:
  // the move of Langevin dynamics on -log N(0, I) - r, where slope = grad r. On a GPU one kernel. Both [ids.size(), k]
  // float32.
  at::Tensor langevin_move(const at::Tensor& z, const at::Tensor& slope, double eps, double noise_std, IdRange ids,
                           int64_t step, Stream stream) const;
};

}  // namespace ddls::tensor
