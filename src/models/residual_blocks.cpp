#include "models/residual_blocks.hpp"

#include <ATen/ATen.h>

namespace ddls {
namespace {

at::Tensor doubled(const at::Tensor& x) { return at::upsample_nearest2d(x, {2 * x.size(2), 2 * x.size(3)}); }

}  // namespace

GeneratorBlock::GeneratorBlock(int64_t from, int64_t to, const NormMaker& norm, bool spectral) {
  const LayerOptions options{.bias = true, .spectral = spectral};
  norm1_ = register_module("norm1", norm(from));
  conv1_ = register_module("conv1", std::make_shared<Convolution>(from, to, 3, 1, 1, options));
  norm2_ = register_module("norm2", norm(to));
  conv2_ = register_module("conv2", std::make_shared<Convolution>(to, to, 3, 1, 1, options));
  shortcut_ = register_module("shortcut", std::make_shared<Convolution>(from, to, 1, 1, 0, options));
}

at::Tensor GeneratorBlock::forward(const at::Tensor& x, const at::Tensor& condition) {
  at::Tensor h = conv1_->forward(doubled(at::relu(norm1_->forward(x, condition))));
  h = conv2_->forward(at::relu(norm2_->forward(h, condition)));
  return h + shortcut_->forward(doubled(x));
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
  h = conv2_->forward(at::relu(h));
  at::Tensor side = x;
  if (options_.downsample) h = at::avg_pool2d(h, 2);
  if (options_.first && options_.downsample) side = at::avg_pool2d(side, 2);
  if (shortcut_) side = shortcut_->forward(side);
  if (!options_.first && options_.downsample) side = at::avg_pool2d(side, 2);
  return h + side;
}

}  // namespace ddls
