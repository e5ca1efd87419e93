#include "ddls/prior.hpp"

#include <ATen/ATen.h>

#include <cmath>
#include <numbers>

#include "base/error.hpp"

namespace ddls::sampling {

Prior prior_from_name(const std::string& name) {
  if (name == "normal") return Prior::normal;
  if (name == "uniform") return Prior::uniform;
  if (name == "truncated_normal") return Prior::truncated_normal;
  fail(Exit::config, "model.prior: there is no prior '{}'", name);
}

at::Tensor latent_of(Prior prior, const at::Tensor& w) {
  constexpr double sqrt2 = std::numbers::sqrt2;
  if (prior == Prior::normal) return w;
  if (prior == Prior::uniform) return at::erf(w / sqrt2);
  // Phi^-1(Phi(-c) + (2 Phi(c) - 1) Phi(w)) = sqrt2 erfinv(erf(c / sqrt2) erf(w / sqrt2)), which is exact at w = 0 and
  // symmetric in float32. Its derivative stays finite: the argument of erfinv is below erf(c / sqrt2) < 1.
  return at::erfinv(at::erf(w / sqrt2) * std::erf(truncation_bound / sqrt2)) * sqrt2;
}

}  // namespace ddls::sampling
