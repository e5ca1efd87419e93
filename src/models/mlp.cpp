#include "models/mlp.hpp"

#include <ATen/ATen.h>

#include "inference/dense.hpp"
#include "inference/fourier.hpp"
#include "models/layers.hpp"
#include "models/network.hpp"
#include "models/fold.hpp"

namespace ddls::models {
namespace {

class Mlp : public Network {
 public:
  Mlp(int64_t inputs, const std::vector<int64_t>& widths, int64_t outputs) {
    int64_t from = inputs;
    for (const int64_t width : widths) {
      add_layer(from, width);
      from = width;
    }
    add_layer(from, outputs);
  }

  at::Tensor forward(const at::Tensor& input, const at::Tensor&) override {
    return layers_.back()->forward(features(input, {}));
  }

  at::Tensor features(const at::Tensor& input, const at::Tensor&) override {
    at::Tensor h = input;
    for (size_t i = 0; i + 1 < layers_.size(); ++i) h = at::relu(layers_[i]->forward(h));
    return h;
  }

  std::optional<inference::Operations> inference_graph_in(at::ScalarType type) const override {
    inference::Operations graph = hidden_graph(type);
    graph.push_back(inference::dense(fold(*layers_.back(), type), inference::no_activation));
    return graph;
  }
  inference::Operations hidden_graph(at::ScalarType type) const {  // all but the last layer
    inference::Operations graph;
    for (size_t i = 0; i + 1 < layers_.size(); ++i)
      graph.push_back(inference::dense(fold(*layers_[i], type), inference::relu_activation));
    return graph;
  }
  const Dense& last() const { return *layers_.back(); }

 private:
  void add_layer(int64_t from, int64_t to) {
    layers_.push_back(register_module("layer" + std::to_string(layers_.size()), std::make_shared<Dense>(from, to)));
  }

  std::vector<std::shared_ptr<Dense>> layers_;
};

class MlpDiscriminator : public Network {
 public:
  MlpDiscriminator(int64_t inputs, const std::vector<int64_t>& widths, const std::vector<double>& frequencies) {
    const auto count = static_cast<int64_t>(frequencies.size());
    if (count > 0)  // a constant of the architecture, not of the weights: no buffer, but it must follow the device
      frequencies_ = at::tensor(frequencies, at::kDouble).to(at::kFloat).view({1, 1, count});
    body_ = register_module("body", std::make_shared<Mlp>(inputs * (1 + 2 * count), widths, 1));
  }

  at::Tensor forward(const at::Tensor& x, const at::Tensor&) override {
    return body_->forward(inputs_of_body(x), {}).squeeze(1);
  }

  at::Tensor features(const at::Tensor& x, const at::Tensor&) override {
    return body_->features(inputs_of_body(x), {});
  }

  LastLayer last_layer() const override {
    const inference::DenseMap map = fold(body_->last());
    return {map.weight, map.bias};
  }

  std::optional<inference::Operations> inference_graph_in(at::ScalarType type) const override {
    inference::Operations graph;
    if (frequencies_.defined())
      graph.push_back(inference::fourier_features(frequencies_.to(body_->last().raw_weight().device()).to(type)));
    for (inference::OperationPtr& layer : body_->hidden_graph(type)) graph.push_back(std::move(layer));
    graph.push_back(inference::logit(fold(body_->last()), type));
    return graph;
  }

 private:
  at::Tensor inputs_of_body(const at::Tensor& x) {
    if (!frequencies_.defined()) return x;
    frequencies_ = frequencies_.to(x.options().requires_grad(false));  // copied once, not waited for in every forward
    const at::Tensor phase = (x.unsqueeze(2) * frequencies_).flatten(1);
    return at::cat({x, phase.sin(), phase.cos()}, 1);
  }

  at::Tensor frequencies_;
  std::shared_ptr<Mlp> body_;
};

}  // namespace

NetworkPtr make_mlp(int64_t inputs, const std::vector<int64_t>& widths, int64_t outputs) {
  return std::make_shared<Mlp>(inputs, widths, outputs);
}

NetworkPtr make_mlp_discriminator(int64_t inputs, const std::vector<int64_t>& widths,
                                  const std::vector<double>& frequencies) {
  return std::make_shared<MlpDiscriminator>(inputs, widths, frequencies);
}

}  // namespace ddls::models
