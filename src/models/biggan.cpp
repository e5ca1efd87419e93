#include "models/biggan.hpp"

#include <ATen/ATen.h>

#include "base/error.hpp"
#include "inference/convolution.hpp"
#include "inference/dense.hpp"
#include "inference/modulation.hpp"
#include "inference/image_layout.hpp"
#include "models/image_side.hpp"
#include "models/network.hpp"
#include "models/residual_blocks.hpp"
#include "models/self_attention.hpp"
#include "models/fold.hpp"

namespace ddls::models {
namespace {

constexpr double norm_eps = 1e-4;

void need_attention(const std::shared_ptr<SelfAttention>& attention, int64_t side, const char* network) {
  if (side > 0 && !attention)
    fail(Exit::config, "model.attention_side: no block of the {} makes maps of side {}", network, side);
}

class BigganGenerator : public Network {
 public:
  BigganGenerator(const BigGanGeneratorLayout& layout, const SampleShape& image)
      : parts_(static_cast<int64_t>(layout.widths.size())),
        bottom_width_(layout.widths.front()),
        side_(halved_side(image, parts_ - 1, "model.generator_widths")) {
    if (layout.latent_dim % parts_ != 0)
      fail(Exit::config, "model.latent_dim: {} cannot be cut into {} equal parts, one per width", layout.latent_dim,
           parts_);
    const int64_t part = layout.latent_dim / parts_;
    const LayerOptions spectral{.bias = true, .spectral = true};
    embedding_ = register_module("embedding", std::make_shared<Embedding>(layout.classes, layout.embedding_dim));
    linear_ = register_module("linear", std::make_shared<Dense>(part, bottom_width_ * side_ * side_, spectral));
    const NormMaker norm = [&](int64_t features) {
      return std::make_shared<VectorBatchNorm>(layout.embedding_dim + part, features, true, norm_eps);
    };
    int64_t side = side_;
    for (size_t i = 0; i + 1 < layout.widths.size(); ++i) {
      const int64_t to = layout.widths[i + 1];
      blocks_.push_back(register_module(
          "block" + std::to_string(i),
          std::make_shared<GeneratorBlock>(layout.widths[i], to, norm, GeneratorBlockOptions{.spectral = true})));
      side *= 2;
      if (side != layout.attention_side) continue;
      attention_ = register_module("attention", std::make_shared<SelfAttention>(to, true));
      attention_after_ = i;
    }
    need_attention(attention_, layout.attention_side, "generator");
    norm_ = register_module("norm", std::make_shared<BatchNorm>(layout.widths.back(), norm_eps));
    last_ = register_module("last", std::make_shared<Convolution>(layout.widths.back(), image[0], 3, 1, 1, spectral));
  }

  at::Tensor forward(const at::Tensor& z, const at::Tensor& labels) override {
    const std::vector<at::Tensor> parts = z.chunk(parts_, 1);
    const at::Tensor label = embedding_->forward(labels);
    at::Tensor h = inference::as_image(linear_->forward(parts[0]), bottom_width_, side_);
    for (size_t i = 0; i < blocks_.size(); ++i) {
      h = blocks_[i]->forward(h, at::cat({label, parts[i + 1]}, 1));
      if (attention_ && i == attention_after_) h = attention_->forward(h);
    }
    return at::tanh(last_->forward(at::relu(norm_->forward(h))));
  }

  std::optional<inference::Operations> inference_graph_in(at::ScalarType type) const override {
    inference::Operations graph;
    const int64_t part = linear_->raw_weight().size(1);
    graph.push_back(inference::first_latents(part));
    graph.push_back(inference::dense(fold(*linear_, type), inference::no_activation));
    graph.push_back(inference::features_as_image(bottom_width_, side_));
    const inference::FeatureMap last_norm = norm_->frozen();
    const bool attention_is_last = attention_ && attention_after_ + 1 == blocks_.size();
    const at::Tensor label_vectors = embedding_->weight().detach().to(at::kDouble);
    for (size_t i = 0; i < blocks_.size(); ++i) {
      const bool takes_norm = i + 1 == blocks_.size() && !attention_is_last;
      graph.push_back(blocks_[i]->inference_graph(type, takes_norm ? &last_norm : nullptr,
                                                  {label_vectors, static_cast<int64_t>(i + 1) * part}));
      if (attention_ && i == attention_after_) graph.push_back(attention_->inference_graph(type));
    }
    graph.push_back(attention_is_last ? inference::norm_and_relu(last_norm, type)
                                      : inference::activate(inference::relu_activation));
    graph.push_back(inference::convolution(fold(*last_, type), inference::tanh_activation));
    return graph;
  }

 private:
  int64_t parts_, bottom_width_, side_;
  std::shared_ptr<Embedding> embedding_;
  std::shared_ptr<Dense> linear_;
  std::vector<std::shared_ptr<GeneratorBlock>> blocks_;
  std::shared_ptr<SelfAttention> attention_;
  size_t attention_after_ = 0;
  std::shared_ptr<BatchNorm> norm_;
  std::shared_ptr<Convolution> last_;
};

class BigganDiscriminator : public Network {
 public:
  BigganDiscriminator(const BigGanDiscriminatorLayout& layout, const SampleShape& image) {
    halved_side(image, layout.downsamplings, "model.discriminator_downsamplings");
    int64_t from = image[0], side = image[1];
    for (size_t i = 0; i < layout.widths.size(); ++i) {
      const bool down = static_cast<int64_t>(i) < layout.downsamplings;
      const DiscriminatorBlockOptions options{.first = i == 0, .downsample = down, .wide = true, .spectral = true};
      const int64_t to = layout.widths[i];
      blocks_.push_back(
          register_module("block" + std::to_string(i), std::make_shared<DiscriminatorBlock>(from, to, options)));
      from = to;
      if (down) side /= 2;
      if (attention_ || side != layout.attention_side) continue;
      attention_ = register_module("attention", std::make_shared<SelfAttention>(to, true));
      attention_after_ = i;
    }
    need_attention(attention_, layout.attention_side, "discriminator");
    logit_ = register_module("logit", std::make_shared<Dense>(from, 1, LayerOptions{.bias = true, .spectral = true}));
    label_ = register_module("label", std::make_shared<Embedding>(layout.classes, from, true));
  }

  at::Tensor features(const at::Tensor& x, const at::Tensor&) override {
    at::Tensor h = x.contiguous(at::MemoryFormat::ChannelsLast);
    for (size_t i = 0; i < blocks_.size(); ++i) {
      h = blocks_[i]->forward(h);
      if (attention_ && i == attention_after_) h = attention_->forward(h);
    }
    return at::relu(h).sum({2, 3});
  }

  LastLayer last_layer() const override {
    const inference::DenseMap map = fold(*logit_);
    return {map.weight + label_->weight().detach(), map.bias};
  }

  at::Tensor forward(const at::Tensor& x, const at::Tensor& labels) override {
    const at::Tensor h = features(x, labels);
    return logit_->forward(h).squeeze(1) + (label_->forward(labels) * h).sum(1);
  }

  std::optional<inference::Operations> inference_graph_in(at::ScalarType type) const override {
    inference::Operations graph;
    graph.push_back(inference::to_channels_last());
    for (size_t i = 0; i < blocks_.size(); ++i) {
      graph.push_back(blocks_[i]->inference_graph(type));
      if (attention_ && i == attention_after_) graph.push_back(attention_->inference_graph(type));
    }
    graph.push_back(inference::relu_and_pool(/*mean=*/false));
    const auto [weight, bias] = last_layer();
    graph.push_back(inference::logit_with_labels({weight, bias}, type));
    return graph;
  }

 private:
  std::vector<std::shared_ptr<DiscriminatorBlock>> blocks_;
  std::shared_ptr<SelfAttention> attention_;
  size_t attention_after_ = 0;
  std::shared_ptr<Dense> logit_;
  std::shared_ptr<Embedding> label_;
};

}  // namespace

NetworkPtr make_biggan_generator(const BigGanGeneratorLayout& layout, const SampleShape& image) {
  return std::make_shared<BigganGenerator>(layout, image);
}

NetworkPtr make_biggan_discriminator(const BigGanDiscriminatorLayout& layout, const SampleShape& image) {
  return std::make_shared<BigganDiscriminator>(layout, image);
}

}  // namespace ddls::models
