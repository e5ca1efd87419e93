#include "inference/activation.hpp"

#include <ATen/ATen.h>

namespace ddls::inference {
namespace {

class Activate : public Operation {
 public:
  explicit Activate(Activation activation) : activation_(activation) {}
  at::Tensor forward(at::Tensor x, Tape& tape) const override { return activation_.apply_and_keep(std::move(x), tape); }
  at::Tensor vjp(at::Tensor dy, Tape& tape) const override { return activation_.vjp_from(std::move(dy), tape); }
  OperationWork work(Pass, at::IntArrayRef) const override { return {.kind = "activation"}; }

 private:
  Activation activation_;
};

}  // namespace

at::Tensor Activation::apply(at::Tensor x) const {
  const bool in_place = sole_owner(x);
  switch (kind) {
    case Kind::relu:
      return in_place ? at::relu_(x) : at::relu(x);
    case Kind::leaky_relu:
      return in_place ? at::leaky_relu_(x, slope) : at::leaky_relu(x, slope);
    case Kind::tanh:
      return in_place ? at::tanh_(x) : at::tanh(x);
    case Kind::none:
      break;
  }
  return x;
}

at::Tensor Activation::vjp(at::Tensor dy, const at::Tensor& y) const {
  const bool in_place = sole_owner(dy);
  switch (kind) {
    case Kind::relu:
      return in_place ? at::threshold_backward_out(dy, dy, y, 0) : at::threshold_backward(dy, y, 0);
    case Kind::leaky_relu:
      return in_place ? at::leaky_relu_backward_out(dy, dy, y, slope, /*self_is_result=*/true)
                      : at::leaky_relu_backward(dy, y, slope, /*self_is_result=*/true);
    case Kind::tanh:
      return in_place ? at::tanh_backward_out(dy, dy, y) : at::tanh_backward(dy, y);
    case Kind::none:
      break;
  }
  return dy;
}

at::Tensor Activation::apply_and_keep(at::Tensor x, Tape& tape) const {
  at::Tensor y = apply(std::move(x));
  if (kind != Kind::none) tape.push(y);
  return y;
}

at::Tensor Activation::vjp_from(at::Tensor dy, Tape& tape) const {
  if (kind == Kind::none) return dy;
  const at::Tensor y = tape.pop();
  return vjp(std::move(dy), y);
}

OperationPtr activate(Activation activation) { return std::make_unique<Activate>(activation); }

}  // namespace ddls::inference
