#include "tensor/adam.hpp"

#include <ATen/ATen.h>

#include <cmath>
#include <numbers>

#include "base/error.hpp"

namespace ddls::tensor {

Adam::Adam(const config::AdamConfig& config, const at::Tensor& parameters)
    : config_(config),
      first_(at::zeros_like(parameters)),
      second_(at::zeros_like(parameters)),
      steps_(at::zeros({}, parameters.options())) {}

void Adam::step(at::Tensor& parameters, const at::Tensor& gradients, double lr) {
  steps_ += 1;
  at::_fused_adam_({parameters}, {gradients}, {first_}, {second_}, {}, {steps_}, lr, config_.beta1, config_.beta2,
                   /*weight_decay=*/0, /*eps=*/1e-8, /*amsgrad=*/false, /*maximize=*/false);
}

NamedTensors Adam::state() const {
  return {{"first_moment", first_.cpu().clone()},
          {"second_moment", second_.cpu().clone()},
          {"steps", steps_.cpu().clone()}};
}

void Adam::load(const NamedTensors& state, const std::string& source) {
  const auto load_one = [&](const std::string& name, at::Tensor& to) {
    const auto found = state.find(name);
    if (found == state.end() || found->second.sizes() != to.sizes())
      fail(Exit::data, "{}: no '{}' of this model's size", source, name);
    to.copy_(found->second);
  };
  load_one("first_moment", first_);
  load_one("second_moment", second_);
  load_one("steps", steps_);
}

double learning_rate(const config::AdamConfig& config, int64_t step, int64_t total) {
  const double share = static_cast<double>(step) / static_cast<double>(std::max<int64_t>(total, 1));
  const double done =
      std::max(0.0, share - config.constant_until) / (1 - config.constant_until);  // of the falling part
  double left = 1;
  if (config.schedule == "linear") left = 1 - done;
  if (config.schedule == "cosine") left = 0.5 * (1 + std::cos(std::numbers::pi * done));
  const double warm = step < config.warmup ? static_cast<double>(step + 1) / static_cast<double>(config.warmup) : 1;
  return warm * config.lr * (config.final_share + (1 - config.final_share) * left);
}

}  // namespace ddls::tensor
