// Metropolis-adjusted Langevin at T = 1: proposal z' = z - a g + s n with a = eps/2, s = sqrt(eps), accepted with
//   log A = E(z) - E(z') + (a/s) n.(g + g') - (a^2 / 2 s^2) |g + g'|^2,
// else the state is z again. One new gradient per step, at z'. Several step sizes may take turns: large ones carry chains
// between modes, small ones let them leave narrow ridges where large proposals are always refused.
#include <ATen/ATen.h>

#include <cmath>
#include <vector>

#include "base/log.hpp"
#include "ddls/dual_averaging.hpp"
#include "ddls/method.hpp"

namespace ddls {
namespace {

void step_mala(Chains& chains, int64_t step, double eps, const Target& target, const Noise& noise) {
  const at::Tensor n = noise.normal(chains.ids, target.latent_dim, step, Stream::langevin).to(target.device);
  const at::Tensor u = noise.uniform(chains.ids, 1, step, Stream::accept).to(target.device).squeeze(1);
  const at::Tensor g = energy_gradient(chains.z, chains.now);
  const at::Tensor proposal = chains.z - g * (eps / 2) + n * std::sqrt(eps);
  const Evaluation there = target.evaluate(proposal);

  const at::Tensor both = g + energy_gradient(proposal, there);
  const at::Tensor log_a =
      energy(chains.now) - energy(there) + (n * both).sum(1) * (std::sqrt(eps) / 2) - both.square().sum(1) * (eps / 8);
  const at::Tensor finite = at::isfinite(log_a);  // a non-finite energy or gradient anywhere: reject
  chains.acceptance = at::where(finite, log_a.clamp_max(0).exp(), at::zeros_like(log_a));
  const at::Tensor accept = u < chains.acceptance;
  const at::Tensor rows = accept.unsqueeze(1);
  chains.z = at::where(rows, proposal, chains.z);
  chains.now = {at::where(accept, there.log_prior, chains.now.log_prior),
                at::where(accept, there.log_ratio, chains.now.log_ratio),
                at::where(rows, there.grad_log_ratio, chains.now.grad_log_ratio)};
}

// Warm-up on the chains of the first block. They are thrown away, so the pilot's ids may be used again.
double adapted_step_size(const MalaConfig& config, int64_t pilot_chains, const Target& target, const Noise& noise) {
  const Noise pilot_noise{noise.seed ^ 0x70696C6F74ULL};  // its own key: the production chains are independent of it
  Chains chains = start_chains({0, pilot_chains}, target, pilot_noise);
  DualAveraging averaging(std::sqrt(config.step_sizes.front()), config.target_acceptance);
  for (int64_t step = 0; step < config.warmup; ++step) {
    const double s = averaging.step();
    step_mala(chains, step, s * s, target, pilot_noise);
    averaging.update(chains.acceptance.to(at::kDouble).mean().item<double>());
  }
  const double s = averaging.averaged_step();
  return s * s;
}

}  // namespace

Method mala(const MalaConfig& config, const Target& target, const Noise& noise) {
  constexpr int64_t pilot_chains = 512;
  std::vector<double> cycle = config.step_sizes;
  if (config.adapt && config.warmup > 0) cycle = {adapted_step_size(config, pilot_chains, target, noise)};
  // Every step of the cycle leaves the target invariant, and the order is fixed, so the whole does.
  auto step_size = [cycle](int64_t step) { return cycle[static_cast<size_t>(step) % cycle.size()]; };
  return {"mala",    config.steps,
          1.0,       true,
          step_size, [=](Chains& chains, int64_t step) { step_mala(chains, step, step_size(step), target, noise); }};
}

}  // namespace ddls
