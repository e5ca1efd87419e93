#include "ddls/mala_move.hpp"

#include <ATen/ATen.h>

#include <cmath>

namespace ddls::sampling {

at::Tensor mala_move(Chains& chains, double eps, double b, const at::Tensor& n, const at::Tensor& u,
                     const Target& target) {
  const at::Tensor g = energy_gradient(chains.z, chains.now, b);
  const at::Tensor proposal = chains.z - g * (eps / 2) + n * std::sqrt(eps);
  const Evaluation there = target.evaluate(proposal, chains.labels);
  const at::Tensor both = g + energy_gradient(proposal, there, b);
  const at::Tensor log_a = energy(chains.now, b) - energy(there, b) + (n * both).sum(1) * (std::sqrt(eps) / 2) -
                           both.square().sum(1) * (eps / 8);
  const at::Tensor acceptance = acceptance_of(log_a);
  move_where(u < acceptance, proposal, there, chains);
  return acceptance;
}

}  // namespace ddls::sampling
