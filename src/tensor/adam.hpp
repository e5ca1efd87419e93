#pragma once
// Adam (Kingma & Ba 2015) on a flat buffer: one fused call per step. Epsilon 1e-8, no weight decay.
#include <ATen/core/Tensor.h>

#include "config/config.hpp"
#include "tensor/npz.hpp"

namespace ddls::tensor {

class Adam {
 public:
  Adam(const config::AdamConfig& config, const at::Tensor& parameters);

  // Updates `parameters` in place; `lr` from learning_rate().
  void step(at::Tensor& parameters, const at::Tensor& gradients, double lr);

  NamedTensors state() const;  // CPU copies
  void load(const NamedTensors& state, const std::string& source);

 private:
  config::AdamConfig config_;
  at::Tensor first_, second_, steps_;
};

// The schedule of `config` at `step` of `total` updates: constant, or (after the
// share `constant_until`) falling linearly or as half a cosine,
// to `final_share` of lr.
double learning_rate(const config::AdamConfig& config, int64_t step, int64_t total);

}  // namespace ddls::tensor
