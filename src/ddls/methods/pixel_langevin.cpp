// Langevin on the samples themselves, from x = G(z), for comparison with latent space:
//   x <- clip(x + (eps/2) grad_x r(x) + noise_std sqrt(eps) n, -1, 1)   (points are not clipped)
// It has no term for p_g, whose density is unknown: its law is e^{r/T} and not that of the data. z stays where it was;
// the log ratio in the records is that of x.
#include "ddls/methods/pixel_langevin.hpp"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>

#include "base/error.hpp"
#include "ddls/entry.hpp"

namespace ddls::sampling {
namespace {

constexpr const char* pixels = "pixels";      // x
constexpr const char* slope = "pixels_grad";  // grad_x r, at x

void score_pixels(Chains& chains, const Target& target) {
  const at::Tensor leaf = chains.extra.at(pixels).detach().requires_grad_(true);
  const at::Tensor r = target.score_by(leaf, chains.labels);
  chains.extra[slope] = torch::autograd::grad({r.sum()}, {leaf}).front();
  chains.now.log_ratio = r.detach();
}

void bind_pixel_langevin(config::Section& s, PixelLangevinOptions& o) {
  s.value("steps", &o.steps, "steps", config::at_least(0));
  s.value("step_size", &o.step_size, "epsilon", config::above(0));
  s.value("noise_std", &o.noise_std, "multiple of sqrt(epsilon)", config::at_least(0));
}

}  // namespace

Method pixel_langevin(const PixelLangevinOptions& config, const Target& target, const tensor::Noise& noise) {
  if (!target.score_by) fail(Exit::config, "pixel_langevin needs networks that score samples");
  const auto advance = [=](Chains& chains, int64_t step) {
    const at::Tensor& x = chains.extra.at(pixels);
    const at::Tensor n = noise.normal(chains.ids, x[0].numel(), step, Stream::langevin, x.device()).view(x.sizes());
    at::Tensor moved =
        x + chains.extra.at(slope) * (config.step_size / 2) + n * (config.noise_std * std::sqrt(config.step_size));
    if (x.dim() == 4) moved = moved.clamp(-1, 1);
    chains.extra[pixels] = moved;
    score_pixels(chains, target);
  };
  return {.name = "pixel_langevin",
          .steps = config.steps,
          .temperature = config.noise_std * config.noise_std,
          .cost = {.gradients = 1},  // of the discriminator alone
          .step_size = [eps = config.step_size](int64_t) { return eps; },
          .start =
              [=](Chains& chains, int64_t) {
                chains.extra[pixels] = target.decode(chains.z, chains.labels).contiguous();
                score_pixels(chains, target);
              },
          .advance = advance,
          .samples = [](const Chains& chains) { return chains.extra.at(pixels); }};
}

Sampler pixel_langevin_sampler() {
  return described<PixelLangevinOptions>({.name = "pixel_langevin",
                                          .title = "pixel Langevin",
                                          .summary = "Langevin on the samples themselves, for comparison",
                                          .colour = 5,
                                          .keys = bind_pixel_langevin,
                                          .make = [](const PixelLangevinOptions& o, const SamplerContext& c) {
                                            return pixel_langevin(o, c.target, c.noise);
                                          }});
}

}  // namespace ddls::sampling
