#pragma once
// The density that chains sample: p(z) ~ exp(-E(z)), E(z) = -log p0(z) - r(G(z)), with r the discriminator's estimate of
// log p_data - p_generator (Che et al., NeurIPS 2020, Theorem 1). A value of two functions, so that tests put densities
// with known answers in its place.
#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <functional>

#include "models/network_fwd.hpp"

namespace ddls {

// Per chain, at one z. Everything float32, detached.
struct Evaluation {
  at::Tensor log_prior;       // [n], up to a constant
  at::Tensor log_ratio;       // [n]
  at::Tensor grad_log_ratio;  // [n, k], with respect to z
};

struct Target {
  int64_t latent_dim = 0;
  c10::Device device{c10::DeviceType::CPU};
  std::function<at::Tensor(const at::Tensor& z)> decode;  // [n, k] -> samples as the generator gives them
  std::function<Evaluation(const at::Tensor& z)> evaluate;
};

inline at::Tensor energy(const Evaluation& e) { return -(e.log_prior + e.log_ratio); }
// z is the place at which e was evaluated; the prior is N(0, I).
inline at::Tensor energy_gradient(const at::Tensor& z, const Evaluation& e) { return z - e.grad_log_ratio; }

// Puts both networks into eval mode with all parameters frozen and holds on to them. The gradient is taken with respect
// to z alone.
Target make_target(NetworkPtr generator, NetworkPtr ratio, int64_t latent_dim, c10::Device device);

}  // namespace ddls
