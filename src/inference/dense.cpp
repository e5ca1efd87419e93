#include "inference/dense.hpp"

#include <ATen/ATen.h>

#include "inference/frozen.hpp"

namespace ddls::inference {
namespace {

class DenseOperation : public Operation {
 public:
  DenseOperation(const DenseMap& map, at::Tensor biases, Activation activation)
      : forward_(map.weight, biases.defined() ? at::Tensor() : map.bias),
        vjp_(map.weight.t(), {}),
        folded_inputs_(map.folded_inputs),
        biases_(std::move(biases)),
        activation_(activation) {}

  at::Tensor forward(at::Tensor x, Tape& tape) const override {
    at::Tensor y = forward_(x);
    if (biases_.defined()) y.add_(at::embedding(biases_, tape.labels()));
    return activation_.apply_and_keep(std::move(y), tape);
  }
  at::Tensor vjp(at::Tensor dy, Tape& tape) const override { return vjp_(activation_.vjp_from(std::move(dy), tape)); }
  OperationWork work(Pass pass, at::IntArrayRef input) const override {
    OperationWork work = (pass == Pass::forward ? forward_ : vjp_).work();
    const int64_t to = pass == Pass::forward ? work.multiply_adds / input[1] : input[1];
    work.plain_multiply_adds += folded_inputs_ * to;
    return work;
  }

 private:
  FrozenProduct forward_, vjp_;
  int64_t folded_inputs_;
  at::Tensor biases_;
  Activation activation_;
};

class LogitOperation : public Operation {
 public:
  LogitOperation(const DenseMap& map, at::ScalarType type, bool labelled)
      : type_(type), labelled_(labelled), weights_(map.weight), bias_(map.bias) {}

  at::Tensor forward(at::Tensor x, Tape& tape) const override {
    x = x.to(weights_.scalar_type());
    at::Tensor y = labelled_ ? (x * at::embedding(weights_, tape.labels())).sum(1) : at::mv(x, weights_.select(0, 0));
    if (bias_.defined()) y.add_(bias_);
    return y;
  }
  at::Tensor vjp(at::Tensor dy, Tape& tape) const override {
    return (dy.unsqueeze(1) * (labelled_ ? at::embedding(weights_, tape.labels()) : weights_)).to(type_);
  }
  OperationWork work(Pass, at::IntArrayRef) const override {
    const int64_t inputs = weights_.size(1);
    return {.kind = "logit",
            .algorithm = "ATen",
            .plain_multiply_adds = inputs,
            .multiply_adds = inputs,
            .weight_bytes = static_cast<int64_t>(weights_.nbytes())};
  }

 private:
  at::ScalarType type_;
  bool labelled_;
  at::Tensor weights_, bias_;
};

}  // namespace

OperationPtr dense(const DenseMap& map, Activation activation) {
  return std::make_unique<DenseOperation>(map, at::Tensor(), activation);
}

OperationPtr dense_with_labels(const DenseMap& map, const at::Tensor& biases, Activation activation) {
  return std::make_unique<DenseOperation>(map, biases, activation);
}

OperationPtr logit(const DenseMap& map, at::ScalarType type) {
  return std::make_unique<LogitOperation>(map, type, false);
}

OperationPtr logit_with_labels(const DenseMap& map, at::ScalarType type) {
  return std::make_unique<LogitOperation>(map, type, true);
}

}  // namespace ddls::inference
