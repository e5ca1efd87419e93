#pragma once
// The one interface of a generator, discriminator or classifier body: tensors in, tensor out. Samples are points [n, d] or
// images [n, C, H, W] in [-1, 1]; latents are [n, k]; discriminators give raw logits [n]. `labels` ([n] int64) are for
// conditional networks and undefined for all others.
#include <torch/nn/module.h>

#include <optional>

#include "models/form/operation.hpp"
#include "models/network_fwd.hpp"

namespace ddls {

class Network : public torch::nn::Module {
 public:
  virtual at::Tensor forward(const at::Tensor& input, const at::Tensor& labels = {}) = 0;
  // The same function in eval mode with the weights as they are now, made for many calls: docs/architecture.md. Equal to
  // forward but for rounding. Nothing where the architecture has no such form.
  virtual std::optional<Operations> sampling_form() const { return std::nullopt; }
};

}  // namespace ddls
