#include "ddls/ratio_correction.hpp"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

namespace ddls::sampling {

at::Tensor RatioCorrection::slope_of(const at::Tensor& labels, const at::Tensor& like) const {
  const at::Tensor typed = slopes.to(like.options());
  return (typed.numel() > 1 ? typed.index_select(0, labels) : typed.expand({like.size(0)})).contiguous();
}

at::Tensor RatioCorrection::apply(const at::Tensor& scores, const at::Tensor& samples, const at::Tensor& labels) const {
  return scores * slope_of(labels, scores) + term(samples, labels).to(scores.scalar_type());
}

at::Tensor RatioCorrection::term_of(const at::Tensor& samples, const at::Tensor& labels) const {
  at::NoGradGuard no_grad;
  return term(samples.detach(), labels);
}

RatioCorrection::Differentiated RatioCorrection::differentiated(const at::Tensor& samples,
                                                                const at::Tensor& labels) const {
  at::AutoGradMode with_grad(true);
  const at::ScalarType type = samples.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const at::Tensor leaf = samples.detach().to(type).requires_grad_(true);
  const at::Tensor value = term(leaf, labels);
  if (!value.requires_grad()) return {value, at::zeros_like(leaf)};  // a tilt that left out all features
  return {value.detach(), torch::autograd::grad({value.sum()}, {leaf}).front()};
}

}  // namespace ddls::sampling
