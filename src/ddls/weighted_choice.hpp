#pragma once
// One of several things, chosen with probability w_i / sum w as they come: the choice of i-SIR (Andrieu, Lee & Vihola
// 2018). The newest is taken with its share of all weight so far, which leaves everything before it with the share it
// had.
#include <ATen/core/Tensor.h>

namespace ddls::sampling {

class WeightedChoice {
 public:
  // [n] float64 log-weights of what is there, by chain; -inf is a weight of 0.
  explicit WeightedChoice(const at::Tensor& log_weight);

  // Whether the next is taken, [n] bool; `u` in (0, 1), [n]. A weight that is not finite is 0.
  at::Tensor takes(const at::Tensor& log_weight, const at::Tensor& u);

  at::Tensor left() const;  // [n] probability that the first was not chosen

 private:
  at::Tensor first_, total_;
};

}  // namespace ddls::sampling
