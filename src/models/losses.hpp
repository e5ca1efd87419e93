#pragma once
// GAN losses on raw logits, means over the batch (docs/algorithm.md, equations 35 to 39 and 73).
#include <ATen/core/Tensor.h>

#include <string>

namespace ddls::models {

struct GanLoss {
  at::Tensor (*discriminator)(const at::Tensor& real_logits, const at::Tensor& fake_logits);
  at::Tensor (*generator)(const at::Tensor& fake_logits);
  // Of pairs (x_i, y_i): the generator's loss takes the reals' logits, too, and stands in the place of `generator`.
  at::Tensor (*generator_of_pairs)(const at::Tensor& real_logits, const at::Tensor& fake_logits) = nullptr;
};

GanLoss gan_loss(const std::string& name);  // throws Error(config)

// softplus(-d(x)) + softplus(d(x~)): at its optimum d = log p_data - log p_generator.
at::Tensor logistic_loss(const at::Tensor& real_logits, const at::Tensor& fake_logits);

}  // namespace ddls::models
