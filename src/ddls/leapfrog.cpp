#include "ddls/leapfrog.hpp"

#include <ATen/ATen.h>

namespace ddls::sampling {

Particles leapfrog(Particles s, double h, int64_t steps, double temperature, const Target& target,
                   const at::Tensor& labels) {
  const auto half_kick = [&] { s.p = s.p - energy_gradient(s.z, s.now) * (h / (2 * temperature)); };
  for (int64_t i = 0; i < steps; ++i) {
    half_kick();
    s.z = s.z + s.p * h;
    s.now = target.evaluate(s.z, labels);
    half_kick();
  }
  return s;
}

at::Tensor hamiltonian(const Particles& s, double temperature) {
  return energy(s.now) / temperature + 0.5 * s.p.square().sum(1);
}

}  // namespace ddls::sampling
