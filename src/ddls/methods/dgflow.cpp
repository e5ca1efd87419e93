// Discriminator gradient flow (Ansari, Ang & Soh, ICLR 2021): z <- z + eta v + sqrt(2 eta gamma) n with v = -grad f'(rho),
// rho = e^{-r}:  kl: grad r;  js: sigma(r) grad r;  log_d: sigma(-r) grad r;  chi2: 2 e^{-r} grad r. There is no prior term:
// the number of steps is part of the method.
#include <ATen/ATen.h>

#include <cmath>

#include "ddls/method.hpp"

namespace ddls {
namespace {

at::Tensor prefactor(const std::string& divergence, const at::Tensor& r) {
  constexpr double largest = 10;  // of |r| in e^{-r}: beyond, a step would leave the support of the prior
  if (divergence == "kl") return at::ones_like(r);
  if (divergence == "js") return r.sigmoid();
  if (divergence == "log_d") return (-r).sigmoid();
  return 2 * (-r.clamp(-largest, largest)).exp();
}

}  // namespace

Method dgflow(const DgflowConfig& config, const Target& target, const Noise& noise) {
  const auto advance = [=](Chains& chains, int64_t step) {
    const at::Tensor v = prefactor(config.divergence, chains.now.log_ratio).unsqueeze(1) * chains.now.grad_log_ratio;
    const at::Tensor n = normal_of(chains, noise, step, Stream::langevin);
    chains.z = chains.z + v * config.step_size + n * std::sqrt(2 * config.step_size * config.gamma);
    chains.now = target.evaluate(chains.z, chains.labels);
  };
  return {.name = "dgflow",
          .steps = config.steps,
          .temperature = config.gamma,
          .step_size = [eta = config.step_size](int64_t) { return eta; },
          .advance = advance};
}

}  // namespace ddls
