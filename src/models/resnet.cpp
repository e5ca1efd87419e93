#include "models/resnet.hpp"

#include <ATen/ATen.h>

#include "inference/convolution.hpp"
#include "inference/dense.hpp"
#include "inference/image_layout.hpp"
#include "models/image_side.hpp"
#include "models/network.hpp"
#include "models/residual_blocks.hpp"
#include "models/fold.hpp"

namespace ddls::models {
namespace {

class ResnetGenerator : public Network {
 public:
  ResnetGenerator(const ResnetGeneratorLayout& layout, const SampleShape& image)
      : bilinear_(layout.bilinear),
        bottom_width_(layout.widths.front()),
        side_(halved_side(image, static_cast<int64_t>(layout.widths.size()) - 1, "model.generator_widths")) {
    const std::vector<int64_t>& widths = layout.widths;
    linear_ = register_module("linear", std::make_shared<Dense>(layout.latent_dim, bottom_width_ * side_ * side_));
    const NormMaker norm = [&](int64_t features) -> std::shared_ptr<BatchNormBase> {
      if (layout.classes > 0) return std::make_shared<ClassBatchNorm>(layout.classes, features);
      return std::make_shared<BatchNorm>(features);
    };
    for (size_t i = 0; i + 1 < widths.size(); ++i)
      blocks_.push_back(register_module(
          "block" + std::to_string(i),
          std::make_shared<GeneratorBlock>(widths[i], widths[i + 1], norm,
                                           GeneratorBlockOptions{.spectral = false, .bilinear = bilinear_})));
    norm_ = register_module("norm", std::make_shared<BatchNorm>(widths.back()));
    last_ = register_module("last", std::make_shared<Convolution>(widths.back(), image[0], 3, 1, 1));
  }

  at::Tensor forward(const at::Tensor& z, const at::Tensor& labels) override {
    at::Tensor h = inference::as_image(linear_->forward(z), bottom_width_, side_);
    for (const auto& block : blocks_) h = block->forward(h, labels);
    return at::tanh(last_->forward(at::relu(norm_->forward(h))));
  }

  std::optional<inference::Operations> inference_graph_in(at::ScalarType type) const override {
    if (bilinear_) return std::nullopt;
    inference::Operations graph;
    graph.push_back(inference::dense(fold(*linear_, type), inference::no_activation));
    graph.push_back(inference::features_as_image(bottom_width_, side_));
    const inference::FeatureMap last_norm = norm_->frozen();
    for (const auto& block : blocks_)
      graph.push_back(block->inference_graph(type, block == blocks_.back() ? &last_norm : nullptr));
    graph.push_back(inference::activate(inference::relu_activation));
    graph.push_back(inference::convolution(fold(*last_, type), inference::tanh_activation));
    return graph;
  }

 private:
  bool bilinear_;
  int64_t bottom_width_, side_;
  std::shared_ptr<Dense> linear_;
  std::vector<std::shared_ptr<GeneratorBlock>> blocks_;
  std::shared_ptr<BatchNorm> norm_;
  std::shared_ptr<Convolution> last_;
};

class ResnetDiscriminator : public Network {
 public:
  ResnetDiscriminator(const ResnetDiscriminatorLayout& layout, const SampleShape& image)
      : mean_pooling_(layout.mean_pooling) {
    halved_side(image, layout.downsamplings, "model.discriminator_downsamplings");
    int64_t from = image[0];
    for (size_t i = 0; i < layout.widths.size(); ++i) {
      const DiscriminatorBlockOptions options{.first = i == 0,
                                              .downsample = static_cast<int64_t>(i) < layout.downsamplings,
                                              .wide = false,
                                              .spectral = layout.spectral};
      blocks_.push_back(register_module("block" + std::to_string(i),
                                        std::make_shared<DiscriminatorBlock>(from, layout.widths[i], options)));
      from = layout.widths[i];
    }
    logit_ = register_module(
        "logit",
        std::make_shared<Dense>(from, 1, LayerOptions{.bias = layout.logit_bias, .spectral = layout.spectral}));
    if (layout.classes > 0)
      label_ = register_module("label", std::make_shared<Embedding>(layout.classes, from, layout.spectral));
  }

  at::Tensor features(const at::Tensor& x, const at::Tensor&) override {
    at::Tensor h = x.contiguous(at::MemoryFormat::ChannelsLast);
    for (const auto& block : blocks_) h = block->forward(h);
    h = at::relu(h);
    return mean_pooling_ ? h.mean({2, 3}) : h.sum({2, 3});
  }

  LastLayer last_layer() const override {
    const inference::DenseMap map = fold(*logit_);
    return {label_ ? map.weight + label_->weight().detach() : map.weight, map.bias};
  }

  at::Tensor forward(const at::Tensor& x, const at::Tensor& labels) override {
    const at::Tensor h = features(x, labels);
    const at::Tensor logit = logit_->forward(h).squeeze(1);
    return label_ ? logit + (label_->forward(labels) * h).sum(1) : logit;
  }

  std::optional<inference::Operations> inference_graph_in(at::ScalarType type) const override {
    inference::Operations graph;
    graph.push_back(inference::to_channels_last());
    for (const auto& block : blocks_) graph.push_back(block->inference_graph(type));
    graph.push_back(inference::relu_and_pool(mean_pooling_));
    const auto [weight, bias] = last_layer();
    graph.push_back(label_ ? inference::logit_with_labels({weight, bias}, type)
                           : inference::logit({weight, bias}, type));
    return graph;
  }

 private:
  bool mean_pooling_;
  std::vector<std::shared_ptr<DiscriminatorBlock>> blocks_;
  std::shared_ptr<Dense> logit_;
  std::shared_ptr<Embedding> label_;
};

}  // namespace

NetworkPtr make_resnet_generator(const ResnetGeneratorLayout& layout, const SampleShape& image) {
  return std::make_shared<ResnetGenerator>(layout, image);
}

NetworkPtr make_resnet_discriminator(const ResnetDiscriminatorLayout& layout, const SampleShape& image) {
  return std::make_shared<ResnetDiscriminator>(layout, image);
}

}  // namespace ddls::models
