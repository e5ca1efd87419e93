// Discriminator gradient flow (Ansari, Ang & Soh, ICLR 2021): z <- z + eta v + sqrt(2 eta gamma) n with v = -grad
// f'(rho), rho = e^{-r}:  kl: grad r;  js: sigma(r) grad r;  log_d: sigma(-r) grad r;  chi2: 2 e^{-r} grad r. There is
// no prior term: the number of steps is part of the method.
#include "ddls/methods/dgflow.hpp"

#include <ATen/ATen.h>

#include <cmath>

#include "ddls/entry.hpp"

namespace ddls::sampling {
namespace {

at::Tensor prefactor(const std::string& divergence, const at::Tensor& r) {
  constexpr double largest = 10;  // of |r| in e^{-r}: beyond, a step would leave the support of the prior
  if (divergence == "kl") return at::ones_like(r);
  if (divergence == "js") return r.sigmoid();
  if (divergence == "log_d") return (-r).sigmoid();
  return 2 * (-r.clamp(-largest, largest)).exp();
}

void bind_dgflow(config::Section& s, DgflowOptions& o) {
  s.value("steps", &o.steps, "steps", config::at_least(0));
  s.value("step_size", &o.step_size, "eta", config::above(0));
  s.value("gamma", &o.gamma, "weight of the noise", config::at_least(0));
  s.value("divergence", &o.divergence, "the f-divergence whose flow it is",
          config::one_of({"kl", "js", "log_d", "chi2"}));
}

}  // namespace

Method dgflow(const DgflowOptions& config, const Target& target, const tensor::Noise& noise) {
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

Sampler dgflow_sampler() {
  return described<DgflowOptions>(
      {.name = "dgflow",
       .title = "DGflow",
       .summary = "discriminator gradient flow",
       .colour = 4,
       .keys = bind_dgflow,
       .make = [](const DgflowOptions& o, const SamplerContext& c) { return dgflow(o, c.target, c.noise); }});
}

}  // namespace ddls::sampling
