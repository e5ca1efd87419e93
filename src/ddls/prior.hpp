#pragma once
// Latent priors. Chains always live in w ~ N(0, I), and z = T(w) is what the generator sees: p0 is the push-forward of
// N(0, I), so -log p(w) = |w|^2 / 2 with no Jacobian term, and a chain cannot leave the support of p0.
#include <ATen/core/Tensor.h>

#include <string>

namespace ddls::sampling {

enum class Prior {
  normal,            // z = w
  uniform,           // U[-1, 1]: z = erf(w / sqrt 2)
  truncated_normal,  // N(0, 1) given |z_i| < 2: z = Phi^-1(Phi(-2) + (2 Phi(2) - 1) Phi(w))
};

inline constexpr double truncation_bound = 2;

Prior prior_from_name(const std::string& name);  // throws Error(config)

// Elementwise and differentiable. For the normal prior it is `w` itself.
at::Tensor latent_of(Prior prior, const at::Tensor& w);

}  // namespace ddls::sampling
