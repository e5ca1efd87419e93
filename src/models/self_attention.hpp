#pragma once
// Self-attention over the positions of an image (Zhang et al. 2019), as BigGAN uses it: keys and values are pooled 2x2.
#include "inference/operation.hpp"
#include "models/layers.hpp"

namespace ddls::models {

// x + strength * output(softmax(query^T key) value), with 1x1 convolutions without bias: query and key to channels / 8,
// value to channels / 2. `strength` is a learnt scalar, 0 at first. Modules query, key, value, output.
class SelfAttention : public torch::nn::Module {
 public:
  SelfAttention(int64_t channels, bool spectral);  // channels: a multiple of 8
  at::Tensor forward(const at::Tensor& x);         // [n, channels, H, W], H and W even
  inference::OperationPtr inference_graph(at::ScalarType type) const;

 private:
  std::shared_ptr<Convolution> query_, key_, value_, output_;
  at::Tensor strength_;
};

}  // namespace ddls::models
