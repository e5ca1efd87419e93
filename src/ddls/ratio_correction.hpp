#pragma once
// A log-ratio made of a network's and of statistics of the samples: r(x, y) = slope_y d(x, y) + t(x, y). With a value
// of it a target (Target::corrected) needs no further pass through its generator: both gradients go back through it
// together.
#include <ATen/core/Tensor.h>

#include <functional>

namespace ddls::sampling {

struct RatioCorrection {
  // [1], or [classes] where the label chooses.
  at::Tensor slopes;
  // Samples as the generator gives them, of any floating type, and labels -> [n] float32 (float64 of float64).
  // Differentiable with respect to the samples where gradients are enabled.
  std::function<at::Tensor(const at::Tensor& samples, const at::Tensor& labels)> term;

  explicit operator bool() const { return slopes.defined(); }
  at::Tensor slope_of(const at::Tensor& labels, const at::Tensor& like) const;  // [n] as `like`
  // slope_y scores + t; differentiable with respect to both. `scores`: [n]
  at::Tensor apply(const at::Tensor& scores, const at::Tensor& samples, const at::Tensor& labels) const;

  struct Differentiated {
    at::Tensor value, gradient;  // [n]; of the shape of samples; at least float32, both detached
  };
  at::Tensor term_of(const at::Tensor& samples, const at::Tensor& labels) const;  // without gradients
  Differentiated differentiated(const at::Tensor& samples, const at::Tensor& labels) const;
};

}  // namespace ddls::sampling
