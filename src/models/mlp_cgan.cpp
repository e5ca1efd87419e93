#include "models/mlp_cgan.hpp"

#include <ATen/ATen.h>

#include "models/batch_norm.hpp"
#include "models/dropout.hpp"
#include "inference/convolution.hpp"
#include "inference/dense.hpp"
#include "models/network.hpp"
#include "models/fold.hpp"

namespace ddls::models {
namespace {

// The first layer, which takes x and its label's embedding side by side: the label's part is a bias per class.
inference::OperationPtr labelled_layer(at::ScalarType type, const Dense& layer, const Embedding& label,
                                       inference::Activation activation) {
  const inference::DenseMap map = fold(layer);
  const at::Tensor table = label.weight().detach();
  const int64_t inputs = map.weight.size(1) - table.size(1);
  const at::Tensor biases = at::addmm(map.bias, table, map.weight.narrow(1, inputs, table.size(1)).t());
  return inference::dense_with_labels(
      {.weight = map.weight.narrow(1, 0, inputs).to(type), .bias = {}, .folded_inputs = table.size(1)}, biases.to(type),
      activation);
}

int64_t pixels(const SampleShape& image) { return image[0] * image[1] * image[2]; }

class MlpCganGenerator : public Network {
 public:
  MlpCganGenerator(int64_t latent_dim, const std::vector<int64_t>& widths, int64_t classes, int64_t embedding_dim,
                   double slope, const SampleShape& image)
      : slope_(slope), image_(image) {
    label_ = register_module("label", std::make_shared<Embedding>(classes, embedding_dim));
    int64_t from = latent_dim + embedding_dim;
    for (size_t i = 0; i < widths.size(); ++i) {
      layers_.push_back(register_module("layer" + std::to_string(i), std::make_shared<Dense>(from, widths[i])));
      if (i > 0) norms_.push_back(register_module("norm" + std::to_string(i), std::make_shared<BatchNorm>(widths[i])));
      from = widths[i];
    }
    last_ = register_module("last", std::make_shared<Dense>(from, pixels(image)));
  }

  at::Tensor forward(const at::Tensor& z, const at::Tensor& labels) override {
    at::Tensor h = at::cat({z, label_->forward(labels)}, 1);
    for (size_t i = 0; i < layers_.size(); ++i) {
      h = layers_[i]->forward(h);
      if (i > 0) h = norms_[i - 1]->forward(h);
      h = at::leaky_relu(h, slope_);
    }
    return at::tanh(last_->forward(h)).view({z.size(0), image_[0], image_[1], image_[2]});
  }

  std::optional<inference::Operations> inference_graph_in(at::ScalarType type) const override {
    inference::Operations graph;
    graph.push_back(labelled_layer(type, *layers_.front(), *label_, inference::leaky_activation(slope_)));
    for (size_t i = 1; i < layers_.size(); ++i) {
      const inference::FeatureMap norm = norms_[i - 1]->frozen();
      graph.push_back(inference::dense(fold(*layers_[i], type, &norm), inference::leaky_activation(slope_)));
    }
    graph.push_back(inference::dense(fold(*last_, type), inference::tanh_activation));
    graph.push_back(inference::features_as_planes(image_));
    return graph;
  }

 private:
  double slope_;
  SampleShape image_;
  std::shared_ptr<Embedding> label_;
  std::vector<std::shared_ptr<Dense>> layers_;
  std::vector<std::shared_ptr<BatchNorm>> norms_;
  std::shared_ptr<Dense> last_;
};

class MlpCganDiscriminator : public Network {
 public:
  MlpCganDiscriminator(const std::vector<int64_t>& widths, int64_t classes, int64_t embedding_dim, double slope,
                       double dropout, const SampleShape& image)
      : slope_(slope), image_(image) {
    label_ = register_module("label", std::make_shared<Embedding>(classes, embedding_dim));
    int64_t from = pixels(image) + embedding_dim;
    for (size_t i = 0; i < widths.size(); ++i) {
      const auto index = static_cast<int64_t>(i);
      layers_.push_back(register_module("layer" + std::to_string(i), std::make_shared<Dense>(from, widths[i])));
      if (i > 0)
        dropouts_.push_back(register_module("dropout" + std::to_string(i), std::make_shared<Dropout>(dropout, index)));
      from = widths[i];
    }
    logit_ = register_module("logit", std::make_shared<Dense>(from, 1));
  }

  at::Tensor forward(const at::Tensor& x, const at::Tensor& labels) override {
    return logit_->forward(features(x, labels)).squeeze(1);
  }

  at::Tensor features(const at::Tensor& x, const at::Tensor& labels) override {
    at::Tensor h = at::cat({x.flatten(1), label_->forward(labels)}, 1);
    for (size_t i = 0; i < layers_.size(); ++i) {
      h = at::leaky_relu(layers_[i]->forward(h), slope_);
      if (i > 0) h = dropouts_[i - 1]->forward(h);
    }
    return h;
  }

  LastLayer last_layer() const override {
    const inference::DenseMap map = fold(*logit_);
    return {map.weight, map.bias};
  }

  std::optional<inference::Operations> inference_graph_in(at::ScalarType type) const override {
    inference::Operations graph;
    graph.push_back(inference::planes_as_features(image_));
    graph.push_back(labelled_layer(type, *layers_.front(), *label_, inference::leaky_activation(slope_)));
    for (size_t i = 1; i < layers_.size(); ++i)
      graph.push_back(inference::dense(fold(*layers_[i], type), inference::leaky_activation(slope_)));
    graph.push_back(inference::logit(fold(*logit_), type));
    return graph;
  }

 private:
  double slope_;
  SampleShape image_;
  std::shared_ptr<Embedding> label_;
  std::vector<std::shared_ptr<Dense>> layers_;
  std::vector<std::shared_ptr<Dropout>> dropouts_;
  std::shared_ptr<Dense> logit_;
};

}  // namespace

NetworkPtr make_mlp_cgan_generator(int64_t latent_dim, const std::vector<int64_t>& widths, int64_t classes,
                                   int64_t embedding_dim, double slope, const SampleShape& image) {
  return std::make_shared<MlpCganGenerator>(latent_dim, widths, classes, embedding_dim, slope, image);
}

NetworkPtr make_mlp_cgan_discriminator(const std::vector<int64_t>& widths, int64_t classes, int64_t embedding_dim,
                                       double slope, double dropout, const SampleShape& image) {
  return std::make_shared<MlpCganDiscriminator>(widths, classes, embedding_dim, slope, dropout, image);
}

}  // namespace ddls::models
