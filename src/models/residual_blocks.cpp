#include "models/residual_blocks.hpp"

#include <ATen/ATen.h>

#include <optional>

#include "base/error.hpp"
#include "inference/convolution.hpp"
#include "inference/modulation.hpp"
#include "models/fold.hpp"

namespace ddls::models {

GeneratorBlock::GeneratorBlock(int64_t from, int64_t to, const NormMaker& norm, const GeneratorBlockOptions& block)
    : bilinear_(block.bilinear) {
  const LayerOptions options{.bias = true, .spectral = block.spectral};
  norm1_ = register_module("norm1", norm(from));
  conv1_ = register_module("conv1", std::make_shared<Convolution>(from, to, 3, 1, 1, options));
  norm2_ = register_module("norm2", norm(to));
  conv2_ = register_module("conv2", std::make_shared<Convolution>(to, to, 3, 1, 1, options));
  shortcut_ = register_module("shortcut", std::make_shared<Convolution>(from, to, 1, 1, 0, options));
}

at::Tensor GeneratorBlock::forward(const at::Tensor& x, const at::Tensor& condition) {
  const auto doubled = [this](Convolution& convolution, const at::Tensor& t) {
    if (!bilinear_) return convolution.forward_doubled(t);
    return convolution.forward(at::upsample_bilinear2d(t, {2 * t.size(2), 2 * t.size(3)}, /*align_corners=*/false));
  };
  at::Tensor h = doubled(*conv1_, at::relu(norm1_->forward(x, condition)));
  h = conv2_->forward(at::relu(norm2_->forward(h, condition)));
  return h + doubled(*shortcut_, x);
}

inference::OperationPtr GeneratorBlock::inference_graph(at::ScalarType type, const inference::FeatureMap* after,
                                                        const BlockCondition& condition) const {
  ensure(!bilinear_, "a bilinear block has no inference graph");
  const inference::FeatureMap before = norm1_->frozen(condition.label_vectors),
                              between = norm2_->frozen(condition.label_vectors);
  const auto norm = [&](const inference::FeatureMap& map) {
    return map.by_latents.defined() ? inference::modulated_norm_and_relu(map, type, condition.first_latent)
                                    : inference::norm_and_relu(map, type);
  };
  inference::Operations main;
  main.push_back(norm(before));
  if (between.scale.dim() == 1) {
    main.push_back(inference::convolution(fold(*conv1_, type, &between, inference::SideChange::doubled),
                                          inference::relu_activation));
  } else {  // of each chain its own
    main.push_back(
        inference::convolution(fold(*conv1_, type, nullptr, inference::SideChange::doubled), inference::no_activation));
    main.push_back(norm(between));
  }
  main.push_back(inference::convolution(fold(*conv2_, type, after), inference::no_activation));
  std::optional<inference::FeatureMap> scale_alone;  // the shift is in the other branch already
  if (after != nullptr) scale_alone = inference::FeatureMap{after->scale, at::zeros_like(after->shift)};
  inference::Operations shortcut;
  shortcut.push_back(inference::convolution(
      fold(*shortcut_, type, scale_alone ? &*scale_alone : nullptr, inference::SideChange::doubled),
      inference::no_activation));
  return inference::residual(std::move(main), std::move(shortcut), inference::SideChange::doubled);
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

inference::OperationPtr DiscriminatorBlock::inference_graph(at::ScalarType type) const {
  const inference::SideChange change =
      options_.downsample ? inference::SideChange::halved : inference::SideChange::none;
  inference::Operations main, shortcut;
  if (!options_.first) main.push_back(inference::activate(inference::relu_activation));
  main.push_back(inference::convolution(fold(*conv1_, type), inference::relu_activation));
  main.push_back(inference::convolution(fold(*conv2_, type, nullptr, change), inference::no_activation));
  // As published, the shortcut of the first block pools first.
  const inference::SideChange published = options_.first ? inference::SideChange::none : change;
  if (shortcut_)
    shortcut.push_back(inference::convolution(fold(*shortcut_, type, nullptr, published), inference::no_activation));
  return inference::residual(std::move(main), std::move(shortcut), change);
}

}  // namespace ddls::models
