#include "models/sn_dcgan.hpp"

#include <ATen/ATen.h>

#include "models/batch_norm.hpp"
#include "inference/convolution.hpp"
#include "inference/dense.hpp"
#include "models/upsampling_graph.hpp"
#include "inference/image_layout.hpp"
#include "models/image_side.hpp"
#include "models/network.hpp"
#include "models/fold.hpp"

namespace ddls::models {
namespace {

class SnDcganGenerator : public Network {
 public:
  SnDcganGenerator(int64_t latent_dim, const std::vector<int64_t>& widths, const SampleShape& image)
      : first_width_(widths.front()),
        side_(halved_side(image, static_cast<int64_t>(widths.size()) - 1, "model.generator_widths")) {
    linear_ = register_module("linear", std::make_shared<Dense>(latent_dim, first_width_ * side_ * side_));
    for (size_t i = 0; i < widths.size(); ++i) {
      norms_.push_back(register_module("norm" + std::to_string(i), std::make_shared<BatchNorm>(widths[i])));
      if (i + 1 == widths.size()) break;
      ups_.push_back(register_module("up" + std::to_string(i),
                                     std::make_shared<TransposedConvolution>(widths[i], widths[i + 1], 4, 2, 1)));
    }
    last_ = register_module("last", std::make_shared<Convolution>(widths.back(), image[0], 3, 1, 1));
  }

  at::Tensor forward(const at::Tensor& z, const at::Tensor&) override {
    at::Tensor h = at::relu(norms_.front()->forward(inference::as_image(linear_->forward(z), first_width_, side_)));
    for (size_t i = 0; i < ups_.size(); ++i) h = at::relu(norms_[i + 1]->forward(ups_[i]->forward(h)));
    return at::tanh(last_->forward(h));
  }

  std::optional<inference::Operations> inference_graph_in(at::ScalarType type) const override {
    inference::Operations graph = upsampling_graph(type, *linear_, first_width_, side_, norms_, ups_);
    graph.push_back(inference::convolution(fold(*last_, type), inference::tanh_activation));
    return graph;
  }

 private:
  int64_t first_width_, side_;
  std::shared_ptr<Dense> linear_;
  std::vector<std::shared_ptr<BatchNorm>> norms_;
  std::vector<std::shared_ptr<TransposedConvolution>> ups_;
  std::shared_ptr<Convolution> last_;
};

class SnDcganDiscriminator : public Network {
 public:
  SnDcganDiscriminator(const std::vector<int64_t>& widths, double slope, const SampleShape& image)
      : slope_(slope),
        side_(halved_side(image, static_cast<int64_t>(widths.size()) - 1, "model.discriminator_widths")) {
    add(image[0], widths.front(), 3, 1);
    for (size_t i = 1; i < widths.size(); ++i) {
      add(widths[i - 1], widths[i], 4, 2);
      add(widths[i], widths[i], 3, 1);
    }
    logit_ = register_module("logit", std::make_shared<Dense>(widths.back() * side_ * side_, 1,
                                                              LayerOptions{.bias = true, .spectral = true}));
  }

  at::Tensor forward(const at::Tensor& x, const at::Tensor&) override {
    return logit_->forward(features(x, {})).squeeze(1);
  }

  at::Tensor features(const at::Tensor& x, const at::Tensor&) override {
    at::Tensor h = x.contiguous(at::MemoryFormat::ChannelsLast);
    for (const auto& convolution : convolutions_) h = at::leaky_relu(convolution->forward(h), slope_);
    return inference::as_vector(h);
  }

  LastLayer last_layer() const override {
    const inference::DenseMap map = fold(*logit_);
    return {map.weight, map.bias};
  }

  std::optional<inference::Operations> inference_graph_in(at::ScalarType type) const override {
    inference::Operations graph;
    graph.push_back(inference::to_channels_last());
    for (const auto& layer : convolutions_)
      graph.push_back(inference::convolution(fold(*layer, type), inference::leaky_activation(slope_)));
    graph.push_back(inference::image_as_features(convolutions_.back()->outputs(), side_));
    graph.push_back(inference::logit(fold(*logit_), type));
    return graph;
  }

 private:
  void add(int64_t from, int64_t to, int64_t kernel, int64_t stride) {
    const LayerOptions options{.bias = true, .spectral = true};
    convolutions_.push_back(register_module("conv" + std::to_string(convolutions_.size()),
                                            std::make_shared<Convolution>(from, to, kernel, stride, 1, options)));
  }

  double slope_;
  int64_t side_;
  std::vector<std::shared_ptr<Convolution>> convolutions_;
  std::shared_ptr<Dense> logit_;
};

}  // namespace

NetworkPtr make_sn_dcgan_generator(int64_t latent_dim, const std::vector<int64_t>& widths, const SampleShape& image) {
  return std::make_shared<SnDcganGenerator>(latent_dim, widths, image);
}

NetworkPtr make_sn_dcgan_discriminator(const std::vector<int64_t>& widths, double slope, const SampleShape& image) {
  return std::make_shared<SnDcganDiscriminator>(widths, slope, image);
}

}  // namespace ddls::models
