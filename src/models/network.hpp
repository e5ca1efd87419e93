#pragma once
// The one interface of a generator, discriminator or classifier body: tensors in, tensor out. Samples are points [n, d]
// or images [n, C, H, W] in [-1, 1]; latents are [n, k]; discriminators give raw logits [n]. `labels` ([n] int64) are
// for conditional networks and undefined for all others.
#include <torch/nn/module.h>

#include <optional>

#include "inference/operation.hpp"
#include "models/network_fwd.hpp"

namespace ddls::models {

// The linear layer that ends a discriminator: its logit is <weight, features> + bias.
struct LastLayer {
  at::Tensor weight, bias;  // [1, k], or [classes, k] where the label chooses the row; [1] or undefined
};

class Network : public torch::nn::Module {
 public:
  virtual at::Tensor forward(const at::Tensor& input, const at::Tensor& labels = {}) = 0;
  // The same function in eval mode with the weights as they are now, made for many calls: docs/architecture.md. Equal
  // to forward but for rounding. Nothing where the architecture has no such graph.
  std::optional<inference::Operations> inference_graph() const {
    return inference_graph_in(parameters().front().scalar_type());
  }
  // In bfloat16: weights and activations are rounded to that; it takes and gives images and latents of that type, but
  // logits of the weights' own.
  virtual std::optional<inference::Operations> inference_graph_in(at::ScalarType) const { return std::nullopt; }
  // Of discriminators: what the last layer takes, [n, k], and that layer with the weights as they are now, detached.
  // Its operation is the last of the inference graph. Others throw Error(internal).
  virtual at::Tensor features(const at::Tensor& input, const at::Tensor& labels);
  virtual LastLayer last_layer() const;
  // A program from elsewhere: no parameters, features or last layer.
  virtual bool opaque() const { return false; }
};

}  // namespace ddls::models
