#include "models/dcgan.hpp"

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

constexpr double slope = 0.2;  // of the discriminator's leaky ReLU

std::shared_ptr<Convolution> convolution(int64_t from, int64_t to, int64_t kernel, int64_t stride) {
  return std::make_shared<Convolution>(from, to, kernel, stride, 1);
}

class DcganGenerator : public Network {
 public:
  DcganGenerator(int64_t latent_dim, const std::vector<int64_t>& widths, const SampleShape& image)
      : first_width_(widths.front()),
        side_(halved_side(image, static_cast<int64_t>(widths.size()), "model.generator_widths")) {
    const LayerOptions no_bias{.bias = false};
    linear_ = register_module("linear", std::make_shared<Dense>(latent_dim, first_width_ * side_ * side_, no_bias));
    for (size_t i = 0; i < widths.size(); ++i) {
      norms_.push_back(register_module("norm" + std::to_string(i), std::make_shared<BatchNorm>(widths[i])));
      if (i + 1 == widths.size()) break;
      ups_.push_back(register_module("up" + std::to_string(i), std::make_shared<TransposedConvolution>(
                                                                   widths[i], widths[i + 1], 4, 2, 1, no_bias)));
    }
    last_ = register_module("last", convolution(widths.back(), 4 * image[0], 3, 1));
  }

  at::Tensor forward(const at::Tensor& z, const at::Tensor&) override {
    at::Tensor h = inference::as_image(linear_->forward(z), first_width_, side_);
    h = at::relu(norms_.front()->forward(h));
    for (size_t i = 0; i < ups_.size(); ++i) h = at::relu(norms_[i + 1]->forward(ups_[i]->forward(h)));
    return at::tanh(at::pixel_shuffle(last_->forward(h), 2));
  }

  std::optional<inference::Operations> inference_graph_in(at::ScalarType type) const override {
    inference::Operations graph = upsampling_graph(type, *linear_, first_width_, side_, norms_, ups_);
    graph.push_back(inference::convolution(fold(*last_, type), inference::tanh_activation));
    graph.push_back(inference::depth_to_space());
    return graph;
  }

 private:
  int64_t first_width_, side_;
  std::shared_ptr<Dense> linear_;
  std::vector<std::shared_ptr<BatchNorm>> norms_;
  std::vector<std::shared_ptr<TransposedConvolution>> ups_;
  std::shared_ptr<Convolution> last_;
};

class DcganDiscriminator : public Network {
 public:
  DcganDiscriminator(const std::vector<int64_t>& widths, int64_t hidden, const SampleShape& image)
      : side_(halved_side(image, static_cast<int64_t>(widths.size()), "model.discriminator_widths")) {
    int64_t from = 4 * image[0];
    for (size_t i = 0; i < widths.size(); ++i) {
      downs_.push_back(register_module("down" + std::to_string(i), i == 0 ? convolution(from, widths[i], 3, 1)
                                                                          : convolution(from, widths[i], 4, 2)));
      from = widths[i];
    }
    int64_t features = from * side_ * side_;
    if (hidden > 0) {
      hidden_ = register_module("hidden", std::make_shared<Dense>(features, hidden));
      features = hidden;
    }
    logit_ = register_module("logit", std::make_shared<Dense>(features, 1));
  }

  at::Tensor forward(const at::Tensor& x, const at::Tensor&) override {
    return logit_->forward(features(x, {})).squeeze(1);
  }

  at::Tensor features(const at::Tensor& x, const at::Tensor&) override {
    at::Tensor h = at::pixel_unshuffle(x, 2).contiguous(at::MemoryFormat::ChannelsLast);
    for (const auto& down : downs_) h = at::leaky_relu(down->forward(h), slope);
    h = inference::as_vector(h);
    return hidden_ ? at::leaky_relu(hidden_->forward(h), slope) : h;
  }

  LastLayer last_layer() const override {
    const inference::DenseMap map = fold(*logit_);
    return {map.weight, map.bias};
  }

  std::optional<inference::Operations> inference_graph_in(at::ScalarType type) const override {
    inference::Operations graph;
    graph.push_back(inference::space_to_depth());
    for (const auto& down : downs_)
      graph.push_back(inference::convolution(fold(*down, type), inference::leaky_activation(slope)));
    graph.push_back(inference::image_as_features(downs_.back()->outputs(), side_));
    if (hidden_) graph.push_back(inference::dense(fold(*hidden_, type), inference::leaky_activation(slope)));
    graph.push_back(inference::logit(fold(*logit_), type));
    return graph;
  }

 private:
  int64_t side_;
  std::vector<std::shared_ptr<Convolution>> downs_;
  std::shared_ptr<Dense> hidden_, logit_;
};

}  // namespace

NetworkPtr make_dcgan_generator(int64_t latent_dim, const std::vector<int64_t>& widths, const SampleShape& image) {
  return std::make_shared<DcganGenerator>(latent_dim, widths, image);
}

NetworkPtr make_dcgan_discriminator(const std::vector<int64_t>& widths, int64_t hidden, const SampleShape& image) {
  return std::make_shared<DcganDiscriminator>(widths, hidden, image);
}

}  // namespace ddls::models
