#pragma once
// Residual blocks of the WGAN-GP, SN-GAN and BigGAN networks.
#include <functional>

#include "models/batch_norm.hpp"
#include "inference/operation.hpp"
#include "models/layers.hpp"

namespace ddls::models {

using NormMaker = std::function<std::shared_ptr<BatchNormBase>(int64_t features)>;

struct GeneratorBlockOptions {
  bool spectral = false;
  bool bilinear = false;  // how the side is doubled; else nearest
};

// What the norms of a block know beside their input, for its inference graph.
struct BlockCondition {
  at::Tensor label_vectors = {};  // [classes, e] of norms that take a vector per label and latents; else undefined
  int64_t first_latent = 0;       // where the block's part of the latents begins
};

// Doubles the side: norm, ReLU, x2, 3x3 convolution, norm, ReLU, 3x3 convolution; beside it x2, 1x1 convolution.
// Modules norm1, conv1, norm2, conv2, shortcut.
class GeneratorBlock : public torch::nn::Module {
 public:
  GeneratorBlock(int64_t from, int64_t to, const NormMaker& norm, const GeneratorBlockOptions& options = {});
  at::Tensor forward(const at::Tensor& x, const at::Tensor& condition);  // the condition goes to the norms
  // `after`: a norm of the block's result that joins its convolutions, or null. Not of bilinear blocks.
  inference::OperationPtr inference_graph(at::ScalarType type, const inference::FeatureMap* after,
                                          const BlockCondition& condition = {}) const;

 private:
  bool bilinear_;
  std::shared_ptr<BatchNormBase> norm1_, norm2_;
  std::shared_ptr<Convolution> conv1_, conv2_, shortcut_;
};

struct DiscriminatorBlockOptions {
  bool first = false;       // on the image: no leading ReLU, and the shortcut pools before its convolution
  bool downsample = false;  // halve the side by 2x2 average pooling
  bool wide = false;        // `to` channels between the two convolutions; else `from`, or `to` in the first block
  bool spectral = false;
};

// ReLU, 3x3 convolution, ReLU, 3x3 convolution, pooling; beside it a 1x1 convolution and pooling where the block
// changes width or side, else the input itself. No normalisation of activations. Modules conv1, conv2, shortcut.
class DiscriminatorBlock : public torch::nn::Module {
 public:
  DiscriminatorBlock(int64_t from, int64_t to, const DiscriminatorBlockOptions& options);
  at::Tensor forward(const at::Tensor& x);
  inference::OperationPtr inference_graph(at::ScalarType type) const;

 private:
  DiscriminatorBlockOptions options_;
  std::shared_ptr<Convolution> conv1_, conv2_, shortcut_;  // shortcut_ may be null
};

}  // namespace ddls::models
