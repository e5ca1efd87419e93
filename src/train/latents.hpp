#pragma once
// Latents and labels of training as pure functions of (seed, id in the global batch, step, purpose). A conditional
// model's labels are drawn uniformly, from the classes that the training data have samples of.
#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include "base/blocks.hpp"
#include "config/config.hpp"
#include "data/dataset.hpp"
#include "ddls/labels.hpp"
#include "ddls/prior.hpp"
#include "tensor/noise.hpp"

namespace ddls::train {

struct LabelledLatents {
  at::Tensor latents;  // [n, k]
  at::Tensor labels;   // [n], undefined without classes
};

struct LatentSource {
  tensor::Noise noise;
  int64_t latent_dim = 0;
  sampling::DrawnClasses classes = {};
  c10::Device device{c10::DeviceType::CPU};
  sampling::Prior prior = sampling::Prior::normal;

  at::Tensor latents(IdRange ids, int64_t step, Stream stream) const;  // [n, k], as the generator sees them
  // [n] int64, uniform over the classes; undefined for an unconditional model. `stream`: of the latents that they
  // belong to.
  at::Tensor labels(IdRange ids, int64_t step, Stream stream) const;
};

// Of a model with so many classes that is trained on `data`: those with samples, or all where no class lacks them.
sampling::DrawnClasses drawn_classes(int64_t classes, const data::Dataset& data);

LatentSource latent_source(const config::Config& config, const sampling::DrawnClasses& classes, c10::Device device);

}  // namespace ddls::train
