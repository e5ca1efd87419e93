#include "train/latents.hpp"
#include "base/purpose.hpp"

#include <ATen/ATen.h>

namespace ddls::train {
at::Tensor LatentSource::latents(IdRange ids, int64_t step, Stream stream) const {
  return sampling::latent_of(prior, noise.normal(ids, latent_dim, step, stream, device));
}

at::Tensor LatentSource::labels(IdRange ids, int64_t step, Stream stream) const {
  if (!classes.conditional()) return {};
  const tensor::Noise own{derive(noise.seed, Purpose::labels)};
  return classes.drawn_by(own.uniform(ids, 1, step, stream, device).squeeze(1));
}

sampling::DrawnClasses drawn_classes(int64_t classes, const data::Dataset& data) {
  if (classes == 0) return {};
  return {classes, data.classes_seen()};
}

LatentSource latent_source(const config::Config& config, const sampling::DrawnClasses& classes, c10::Device device) {
  return {tensor::Noise{config.seed}, config.model.latent_dim, classes.on(device), device,
          sampling::prior_from_name(config.model.prior)};
}

}  // namespace ddls::train
