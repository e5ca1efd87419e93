#pragma once
// Penalties on the discriminator's gradient with respect to its input. Both keep the graph, so that they can be
// differentiated with respect to the weights.
#include <ATen/core/Tensor.h>

#include <functional>

namespace ddls::train {

// (1/2) E |grad_x d(x)|^2 at the reals (Mescheder et al. 2018, R1), or given fakes at those (R2). `real` requires grad
// and `real_logits` came from it.
at::Tensor r1_penalty(const at::Tensor& real, const at::Tensor& real_logits);

// E (|grad d(x^)| - 1)^2 at x^ = u x + (1 - u) x~, u [n] in (0, 1): one per sample (Gulrajani et al. 2017). The norm is
// over all dimensions but the first.
at::Tensor interpolation_penalty(const std::function<at::Tensor(const at::Tensor& x)>& discriminator,
                                 const at::Tensor& real, const at::Tensor& fake, const at::Tensor& u);

}  // namespace ddls::train
