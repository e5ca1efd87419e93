#pragma once
// The one interface of a generator, discriminator or classifier body: tensors in, tensor out. Samples are points [n, d] or
// images [n, C, H, W] in [-1, 1]; latents are [n, k]; discriminators give raw logits [n].
#include <torch/nn/module.h>

#include <cstdint>
#include <memory>
#include <vector>

namespace ddls {

class Network : public torch::nn::Module {
 public:
  virtual at::Tensor forward(const at::Tensor& input) = 0;
};

using NetworkPtr = std::shared_ptr<Network>;
using SampleShape = std::vector<int64_t>;  // of one sample: {2}, {1, 28, 28}

}  // namespace ddls
