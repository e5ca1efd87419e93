// Underdamped Langevin, dz = p dt, dp = -grad U dt - gamma p dt + sqrt(2 gamma) dW, U = E / T, unit mass. The
// splittings are made of A(h): z += h p; B(h): p -= h grad U; O(h): p <- c p + sqrt(1 - c^2) n, c = e^{-gamma h}:
//   obabo: O(h/2) B(h/2) A(h) B(h/2) O(h/2); on U = w^2 z^2 / 2: <z^2> = 1 / (w^2 (1 - h^2 w^2 / 4)), <p^2> = 1
//   baoab: B(h/2) A(h/2) O(h) A(h/2) B(h/2); there <z^2> = 1 / w^2 and <p^2> = 1 - h^2 w^2 / 4
// (Leimkuhler & Matthews 2013). `adjust` puts a Metropolis test on the inner BAB of obabo, which makes it exact; a
// rejected chain stays where it was and its momentum turns round (Horowitz 1991). One new gradient per step.
#include "ddls/methods/underdamped.hpp"

#include <ATen/ATen.h>

#include <cmath>

#include "ddls/entry.hpp"
#include "ddls/leapfrog.hpp"

namespace ddls::sampling {
namespace {

constexpr const char* momentum = "momentum";

// n: [n, k] normals.
at::Tensor refreshed(const at::Tensor& p, double friction, double h, const at::Tensor& n) {
  const double c = std::exp(-friction * h);
  return p * c + n * std::sqrt(1 - c * c);
}

void step_obabo(Chains& chains, int64_t step, const UnderdampedOptions& c, const Target& target,
                const tensor::Noise& noise) {
  at::Tensor& p = chains.extra.at(momentum);
  const double h = c.step_size;
  p = refreshed(p, c.friction, h / 2, normal_of(chains, noise, step, Stream::langevin));
  const Particles from{chains.z, p, chains.now};
  const Particles to = leapfrog(from, h, 1, c.temperature, target, chains.labels);
  if (c.adjust) {
    const at::Tensor log_a =
        hamiltonian(from, c.temperature).to(at::kDouble) - hamiltonian(to, c.temperature).to(at::kDouble);
    const at::Tensor acceptance = acceptance_of(log_a) * at::isfinite(to.now.grad_log_ratio).all(1);
    const at::Tensor accept = uniform_of(chains, noise, step, Stream::accept) < acceptance;
    p = at::where(accept.unsqueeze(1), to.p, -p);
    move_where(accept, to.z, to.now, chains);
    chains.rates["acceptance"] = acceptance;
  } else {
    chains.z = to.z;
    chains.now = to.now;
    p = to.p;
  }
  p = refreshed(p, c.friction, h / 2, normal_of(chains, noise, step, Stream::momentum));
}

void step_baoab(Chains& chains, int64_t step, const UnderdampedOptions& c, const Target& target,
                const tensor::Noise& noise) {
  at::Tensor& p = chains.extra.at(momentum);
  const double h = c.step_size;
  const auto half_kick = [&] { p = p - energy_gradient(chains.z, chains.now) * (h / (2 * c.temperature)); };
  half_kick();
  chains.z = chains.z + p * (h / 2);
  p = refreshed(p, c.friction, h, normal_of(chains, noise, step, Stream::langevin));
  chains.z = chains.z + p * (h / 2);
  chains.now = target.evaluate(chains.z, chains.labels);
  half_kick();
}

void bind_underdamped(config::Section& s, UnderdampedOptions& o) {
  s.value("steps", &o.steps, "steps", config::at_least(0));
  s.value("step_size", &o.step_size, "time step h", config::above(0));
  s.value("friction", &o.friction, "gamma: momenta are forgotten at this rate", config::above(0));
  s.value("temperature", &o.temperature, "of the law exp(-E/T)", config::above(0));
  s.value("splitting", &o.splitting, "order of the parts of a step", config::one_of({"obabo", "baoab"}));
  s.value("adjust", &o.adjust, "obabo: a Metropolis test in every step, which makes it exact");
}

std::vector<config::Conflict> check_underdamped(const UnderdampedOptions& o) {
  if (!o.adjust || o.splitting != "baoab") return {};
  return {{{"adjust", "splitting"}, "only obabo can be adjusted"}};
}

}  // namespace

Method underdamped(const UnderdampedOptions& config, const Target& target, const tensor::Noise& noise) {
  const auto step = config.splitting == "baoab" ? step_baoab : step_obabo;
  return {.name = "underdamped",
          .steps = config.steps,
          .temperature = config.temperature,
          .rates = config.adjust ? std::vector<std::string>{"acceptance"} : std::vector<std::string>{},
          .step_size = [h = config.step_size](int64_t) { return h; },
          .start = [noise](Chains& chains,
                           int64_t draw) { chains.extra[momentum] = normal_of(chains, noise, draw, Stream::start); },
          .advance = [=](Chains& chains, int64_t at) { step(chains, at, config, target, noise); }};
}

Sampler underdamped_sampler() {
  return described<UnderdampedOptions>(
      {.name = "underdamped",
       .title = "underdamped",
       .summary = "Langevin dynamics with momenta",
       .colour = 5,
       .keys = bind_underdamped,
       .check = check_underdamped,
       .exact = [](const UnderdampedOptions& o) { return o.adjust && o.temperature == 1; },
       .make = [](const UnderdampedOptions& o, const SamplerContext& c) { return underdamped(o, c.target, c.noise); },
       .rates = {acceptance_rate()}});
}

}  // namespace ddls::sampling
