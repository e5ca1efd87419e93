#include "models/residual_blocks.hpp"

#include <ATen/ATen.h>

namespace ddls {

GeneratorBlock::GeneratorBlock(int64_t from, int64_t to, const NormMaker& norm, bool spectral) {
  const LayerOptions options{.bias = true, .spectral = spectral};
  norm1_ = register_module("norm1", norm(from));
  conv1_ = register_module("conv1", std::make_shared<Convolution>(from, to, 3, 1, 1, options));
  norm2_ = register_module("norm2", norm(to));
  conv2_ = register_module("conv2", std::make_shared<Convolution>(to, to, 3, 1, 1, options));
  shortcut_ = register_module("shortcut", std::make_shared<Convolution>(from, to, 1, 1, 0, options));
}

at::Tensor GeneratorBlock::forward(const at::Tensor& x, const at::Tensor& condition) {
  at::Tensor h = conv1_->forward_doubled(at::relu(norm1_->forward(x, condition)));
  h = conv2_->forward(at::relu(norm2_->forward(h, condition)));
  return h + shortcut_->forward_doubled(x);
}

DiscriminatorBlock::DiscriminatorBlock(int64_t from, int64_t to, const DiscriminatorBlockOptions& options)
    : options_(options) {
  const LayerOptions layer{.bias = true, .spectral = options.spectral};
  const int64_t between = options.first || options.wide ? to : from;
  conv1_ = register_module("conv1", std::make_shared<Convolution>(from, between, 3, 1, 1, layer));
  conv2_ = register_module("conv2", std::make_shared<Convolution>(between, to, 3, 1, 1, layer));
  if (options.downsample || from != to)
    shortcut_ = register_module("shortcut", std::make_shared<Convolution>(from, to, 1, 1, 0, layer));
}

at::Tensor DiscriminatorBlock::forward(const at::Tensor& x) {
  at::Tensor h = conv1_->forward(options_.first ? x : at::relu(x));
  h = options_.downsample ? conv2_->forward_halved(at::relu(h)) : conv2_->forward(at::relu(h));
  if (!shortcut_) return h + x;
  if (!options_.downsample) return h + shortcut_->forward(x);
  // Pooling before a 1x1 convolution or after it is the same; only the published count of multiply-adds differs.
  return h + (options_.first ? shortcut_->forward(at::avg_pool2d(x, 2)) : shortcut_->forward_halved(x));
}

}  // namespace ddls
