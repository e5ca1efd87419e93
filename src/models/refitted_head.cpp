#include "models/refitted_head.hpp"

#include <ATen/ATen.h>

#include "base/error.hpp"
#include "inference/dense.hpp"
#include "models/network.hpp"

namespace ddls::models {
namespace {

class RefittedHead : public Network {
 public:
  RefittedHead(NetworkPtr body, const LastLayer& head) : body_(std::move(body)) {
    register_module("body", body_);
    weight_ = register_buffer("weight", head.weight);
    bias_ = register_buffer("bias", head.bias);
  }

  at::Tensor forward(const at::Tensor& x, const at::Tensor& labels) override {
    const at::Tensor h = features(x, labels);
    return (labelled() ? (h * at::embedding(weight_, labels)).sum(1) : at::mv(h, weight_.select(0, 0))) + bias_;
  }

  std::optional<inference::Operations> inference_graph_in(at::ScalarType type) const override {
    std::optional<inference::Operations> graph = body_->inference_graph_in(type);
    if (!graph) return graph;
    graph->pop_back();  // the body's own last layer
    graph->push_back(labelled() ? inference::logit_with_labels({weight_, bias_}, type)
                                : inference::logit({weight_, bias_}, type));
    return graph;
  }

  at::Tensor features(const at::Tensor& x, const at::Tensor& labels) override { return body_->features(x, labels); }
  LastLayer last_layer() const override { return {weight_, bias_}; }

 private:
  bool labelled() const { return weight_.size(0) > 1; }

  NetworkPtr body_;
  at::Tensor weight_, bias_;
};

}  // namespace

at::Tensor Network::features(const at::Tensor&, const at::Tensor&) {
  fail(Exit::internal, "features were asked of a network that is no discriminator");
}

LastLayer Network::last_layer() const {
  fail(Exit::internal, "the last layer was asked of a network that is no discriminator");
}

NetworkPtr with_head(NetworkPtr body, const LastLayer& head) {
  return std::make_shared<RefittedHead>(std::move(body), head);
}

}  // namespace ddls::models
