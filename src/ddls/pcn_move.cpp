#include "ddls/pcn_move.hpp"

#include <ATen/ATen.h>

#include <cmath>

namespace ddls::sampling {

double pcn_noise(double size) { return 1 / std::sqrt(1 + 1 / (size * size)); }

double pcn_size(double b) { return b / std::sqrt(1 - b * b); }

double pcn_acceptance(double asked, bool langevin) {
  if (asked > 0) return asked;
  return langevin ? 0.574 : 0.3;
}

at::Tensor pcn_move(Chains& chains, const PcnMove& move, const at::Tensor& n, const at::Tensor& u,
                    const Target& target) {
  const double b = pcn_noise(move.size), a = std::sqrt(1 - b * b), t = move.inverse_temperature;
  at::Tensor proposal = chains.z * a + n * b, g;
  if (move.langevin) {
    g = chains.now.grad_log_ratio * t;
    proposal = proposal + g * (1 - a);
  }
  const Evaluation there = target.evaluate(proposal, chains.labels);
  at::Tensor log_a = (there.log_ratio.to(at::kDouble) - chains.now.log_ratio) * t;
  if (move.langevin) {
    // The prior has cancelled by hand, so that nothing of the size of |w|^2 is subtracted.
    const at::Tensor to = there.grad_log_ratio * t, both = g + to;
    const at::Tensor drift = ((proposal - chains.z) * both).sum(1) / -2 +
                             ((to - g) * (chains.z + proposal - both)).sum(1) * ((1 - a) / (1 + a) / 2);
    log_a = log_a + drift;
  }
  const at::Tensor acceptance = acceptance_of(log_a).to(chains.z.scalar_type());
  move_where(u < acceptance, proposal, there, chains);
  return acceptance;
}

}  // namespace ddls::sampling
