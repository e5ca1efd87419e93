#pragma once
// Latents and labels of training as pure functions of (seed, id in the global batch, step, purpose).
#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include "base/blocks.hpp"
#include "tensor/noise.hpp"

namespace ddls {

struct LatentSource {
  Noise noise;
  int64_t latent_dim = 0;
  int64_t classes = 0;  // 0: no labels
  c10::Device device{c10::DeviceType::CPU};

  at::Tensor latents(IdRange ids, int64_t step, Stream stream) const;  // [n, k], N(0, I)
  // [n] int64, uniform over the classes; undefined without classes. `stream`: of the latents that they belong to.
  at::Tensor labels(IdRange ids, int64_t step, Stream stream) const;
};

}  // namespace ddls
