#pragma once
// Latents and labels of training as pure functions of (seed, id in the global batch, step, purpose). A conditional model's
// labels are drawn uniformly.
#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include "base/blocks.hpp"
#include "config/config.hpp"
#include "ddls/prior.hpp"
#include "tensor/noise.hpp"

namespace ddls {

struct LabelledLatents {
  at::Tensor latents;  // [n, k]
  at::Tensor labels;   // [n], undefined without classes
};

struct LatentSource {
  Noise noise;
  int64_t latent_dim = 0;
  int64_t classes = 0;  // 0: no labels
  c10::Device device{c10::DeviceType::CPU};
  Prior prior = Prior::normal;

  at::Tensor latents(IdRange ids, int64_t step, Stream stream) const;  // [n, k], as the generator sees them
  // [n] int64, uniform over the classes; undefined without classes. `stream`: of the latents that they belong to.
  at::Tensor labels(IdRange ids, int64_t step, Stream stream) const;
};

LatentSource latent_source(const Config& config, c10::Device device);

}  // namespace ddls
