// Discriminator optimal transport in latent space (Tanaka, NeurIPS 2019): gradient descent from the prior draw y on
//   -r(G(z)) / k_eff + |z - y + 0.001|,  k_eff = max |r1 - r2| / |z1 - z2| over 100 random pairs.
// Deterministic. For the normal prior the gradient is projected on the tangent of the sphere |z| = const: g - z (z.g) /
// |z|^2 ("exact"), or as in the public code, z (z.g) / sqrt(k) subtracted instead ("published").
#include "ddls/methods/dot.hpp"

#include <ATen/ATen.h>

#include <cmath>

#include "ddls/entry.hpp"

namespace ddls::sampling {
namespace {

constexpr const char* anchor = "anchor";  // y

double lipschitz_estimate(const Target& target, const tensor::Noise& noise) {
  constexpr int64_t pairs = 100;
  const auto draw = [&](int64_t which) {
    return noise.normal({0, pairs}, target.latent_dim, which, Stream::pilot, target.device);
  };
  const at::Tensor labels = target.labels_at({0, pairs});
  const at::Tensor a = draw(0), b = draw(1);
  const at::Tensor slope = (target.log_ratio(a, labels) - target.log_ratio(b, labels)).abs() / (a - b).norm(2, 1);
  return slope.max().item<double>();
}

void bind_dot(config::Section& s, DotOptions& o) {
  s.value("steps", &o.steps, "gradient steps", config::at_least(0));
  s.value("lr", &o.lr, "learning rate", config::above(0));
  s.value("projection", &o.projection, "of the gradient, on the sphere of z: exact, as published, or none",
          config::one_of({"exact", "published", "none"}));
}

}  // namespace

Method dot(const DotOptions& config, const Target& target, const tensor::Noise& noise) {
  const double k_eff = lipschitz_estimate(target, noise);
  const auto advance = [=](Chains& chains, int64_t) {
    const at::Tensor away = chains.z - chains.extra.at(anchor) + 0.001;
    at::Tensor g = away / away.norm(2, 1, true) - chains.now.grad_log_ratio / k_eff;
    if (config.projection != "none") {
      const at::Tensor radial = (chains.z * g).sum(1, true);
      const double published = std::sqrt(static_cast<double>(target.latent_dim));
      g = config.projection == "exact" ? g - chains.z * radial / chains.z.square().sum(1, true)
                                       : g - chains.z * radial / published;
    }
    chains.z = chains.z - g * config.lr;
    chains.now = target.evaluate(chains.z, chains.labels);
  };
  return {.name = "dot",
          .steps = config.steps,
          .temperature = 0,
          .step_size = [lr = config.lr](int64_t) { return lr; },
          .start = [](Chains& chains, int64_t) { chains.extra[anchor] = chains.z; },
          .advance = advance};
}

Sampler dot_sampler() {
  return described<DotOptions>(
      {.name = "dot",
       .title = "DOT",
       .summary = "discriminator optimal transport in latent space",
       .colour = 8,
       .keys = bind_dot,
       .make = [](const DotOptions& o, const SamplerContext& c) { return dot(o, c.target, c.noise); }});
}

}  // namespace ddls::sampling
