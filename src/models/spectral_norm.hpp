#pragma once
// The power iteration behind spectral normalisation. It is deterministic: ranks with equal weights and equal u stay
// equal without communication.
#include <cstdint>
#include <vector>

namespace torch::nn {
class Module;
}

namespace ddls::models {

// One iteration on every spectral layer of the network. The trainer calls it once per update of that network, before
// its forwards; never between a forward and its backward, never in eval or in chains, where the energy must not change.
void power_iteration(torch::nn::Module& network);
// For weights that come without their u, v, or that were averaged: `iterations` of them.
void settle_spectral_norm(torch::nn::Module& network, int64_t iterations);
// u^T W v of every spectral layer's raw weight, in the order of the modules; empty for networks without one.
std::vector<double> spectral_norms(const torch::nn::Module& network);

}  // namespace ddls::models
