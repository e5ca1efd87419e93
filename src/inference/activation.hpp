#pragma once
// Activations as the end of an operation: applied in place where that is allowed, differentiated from their results
// alone.
#include "inference/operation.hpp"

namespace ddls::inference {

struct Activation {
  enum class Kind { none, relu, leaky_relu, tanh };
  Kind kind = Kind::none;
  double slope = 0;  // of leaky ReLU; that of ReLU is 0

  at::Tensor apply(at::Tensor x) const;
  at::Tensor vjp(at::Tensor dy, const at::Tensor& y) const;  // y = apply(x)
  // apply, and y goes to the tape unless this is none; vjp_from undoes that.
  at::Tensor apply_and_keep(at::Tensor x, Tape& tape) const;
  at::Tensor vjp_from(at::Tensor dy, Tape& tape) const;
};

inline constexpr Activation no_activation{};
inline constexpr Activation relu_activation{Activation::Kind::relu};
inline constexpr Activation tanh_activation{Activation::Kind::tanh};
constexpr Activation leaky_activation(double slope) { return {Activation::Kind::leaky_relu, slope}; }

// An activation that no operation before it can take on.
OperationPtr activate(Activation activation);

}  // namespace ddls::inference
