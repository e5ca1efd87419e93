#include "train/latents.hpp"

#include <ATen/ATen.h>

namespace ddls {
namespace {

constexpr uint64_t label_key = 0x6C6162656CULL;  // labels and latents of one id are independent

}  // namespace

at::Tensor LatentSource::latents(IdRange ids, int64_t step, Stream stream) const {
  return latent_of(prior, noise.normal(ids, latent_dim, step, stream, device));
}

at::Tensor LatentSource::labels(IdRange ids, int64_t step, Stream stream) const {
  if (classes == 0) return {};
  const at::Tensor u = Noise{noise.seed ^ label_key}.uniform(ids, 1, step, stream).squeeze(1);
  return (u * static_cast<double>(classes))
      .floor()
      .clamp_max(static_cast<double>(classes - 1))
      .to(at::kLong)
      .to(device);
}

LatentSource latent_source(const Config& config, c10::Device device) {
  return {Noise{config.seed}, config.model.latent_dim, config.model.classes, device,
          prior_from_name(config.model.prior)};
}

}  // namespace ddls
