#pragma once
// The leapfrog (Stoermer-Verlet) integrator of dz = p dt, dp = -grad U dt, unit mass, U = E / T:
//   p <- p - h/2 grad U(z);  z <- z + h p;  p <- p - h/2 grad U(z)
// Time reversible and volume preserving; the energy error over a fixed time is O(h^2).
#include "ddls/target.hpp"

namespace ddls::sampling {

struct Particles {
  at::Tensor z, p;  // [n, k]
  Evaluation now;   // at z
};

// `steps` new gradients.
Particles leapfrog(Particles start, double h, int64_t steps, double temperature, const Target& target,
                   const at::Tensor& labels);

// U(z) + |p|^2 / 2, [n].
at::Tensor hamiltonian(const Particles& particles, double temperature);

}  // namespace ddls::sampling
