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
  if (!classes.conditional()) return {};
  return classes.drawn_by(Noise{noise.seed ^ label_key}.uniform(ids, 1, step, stream).squeeze(1)).to(device);
}

DrawnClasses drawn_classes(int64_t classes, const Dataset& data) {
  if (classes == 0) return {};
  return {classes, data.classes_seen()};
}

LatentSource latent_source(const Config& config, const DrawnClasses& classes, c10::Device device) {
  return {Noise{config.seed}, config.model.latent_dim, classes, device, prior_from_name(config.model.prior)};
}

}  // namespace ddls
