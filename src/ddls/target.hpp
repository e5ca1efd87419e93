#pragma once
// The density that chains sample: p(z) ~ exp(-E(z)), E(z) = -log p0(z) - r(G(z)), with r the discriminator's estimate
// of log p_data - p_generator (Che et al., NeurIPS 2020, Theorem 1). A value of a few functions, so that tests put
// densities with known answers in its place. Chains live in coordinates in which the prior is N(0, I): see prior.hpp.
#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <functional>

#include "base/blocks.hpp"
#include "ddls/prior.hpp"
#include "ddls/ratio_correction.hpp"
#include "models/network_fwd.hpp"

namespace ddls::inference {
class OperationObserver;  // inference/observer.hpp
}  // namespace ddls::inference

namespace ddls::sampling {

// Per chain, at one z. Everything float32, detached.
struct Evaluation {
  at::Tensor log_prior;       // [n], up to a constant
  at::Tensor log_ratio;       // [n]
  at::Tensor grad_log_ratio;  // [n, k], with respect to z
};

// `labels`: [n] int64 for conditional networks, undefined for all others.
struct Target {
  int64_t latent_dim = 0;
  c10::Device device{c10::DeviceType::CPU};
  std::function<at::Tensor(const at::Tensor& z, const at::Tensor& labels)> decode_by;
  std::function<Evaluation(const at::Tensor& z, const at::Tensor& labels)> evaluate_by;
  // r alone, for methods that need no gradient. Agrees with evaluate to rounding. Empty: taken from evaluate.
  std::function<at::Tensor(const at::Tensor& z, const at::Tensor& labels)> log_ratio_by = {};
  // The score of samples, differentiable with respect to them; for pixel-space methods alone.
  std::function<at::Tensor(const at::Tensor& samples, const at::Tensor& labels)> score_by = {};
  // What the score's last layer takes, [n, f], without a gradient; for the diagnostics alone. Empty: nobody knows.
  std::function<at::Tensor(const at::Tensor& samples, const at::Tensor& labels)> features_by = {};
  // What `latents` gives; empty: z = T(w) of prior.hpp.
  std::function<at::Tensor(const at::Tensor& w)> latents_by = {};
  std::function<at::Tensor(IdRange ids)> labels_of = {};  // of chains; empty: unconditional
  // This density with a correction of its ratio; what make_target gives. Empty: it cannot be corrected.
  std::function<Target(const RatioCorrection& correction)> corrected_by = {};
  Prior prior = Prior::normal;

  // Throws Error(internal) where corrected_by is empty. The result cannot be corrected again.
  Target corrected(const RatioCorrection& correction) const;
  // [n] labels of chains, on the device; undefined: unconditional.
  at::Tensor labels_at(IdRange ids) const { return labels_of ? labels_of(ids).to(device) : at::Tensor(); }
  // [n, k] -> samples as the generator gives them.
  at::Tensor decode(const at::Tensor& z, const at::Tensor& labels = {}) const { return decode_by(z, labels); }
  // What files hold of chains at w: z as the generator takes it.
  at::Tensor latents(const at::Tensor& w) const { return latents_by ? latents_by(w) : latent_of(prior, w); }
  Evaluation evaluate(const at::Tensor& z, const at::Tensor& labels = {}) const { return evaluate_by(z, labels); }
  at::Tensor log_ratio(const at::Tensor& z, const at::Tensor& labels = {}) const {
    return log_ratio_by ? log_ratio_by(z, labels) : evaluate_by(z, labels).log_ratio;
  }
};

// The same density for methods that never read grad r: `evaluate` gives zeros in its place and costs a `log_ratio`,
// half of what it costs with the gradient or less.
Target without_gradient(const Target& target);

// `inverse_temperature` tempers the ratio alone: the law p0 e^{b r}, from the prior (b = 0) to the target (b = 1).
inline at::Tensor energy(const Evaluation& e, double inverse_temperature = 1) {
  return -(e.log_prior + e.log_ratio * inverse_temperature);
}
// z is the place at which e was evaluated; the prior is N(0, I).
inline at::Tensor energy_gradient(const at::Tensor& z, const Evaluation& e, double inverse_temperature = 1) {
  return z - e.grad_log_ratio * inverse_temperature;
}

// From functions of the generator's z: `score(z, labels)` must be differentiable with respect to z.
Target make_target(std::function<at::Tensor(const at::Tensor& z, const at::Tensor& labels)> generate,
                   std::function<at::Tensor(const at::Tensor& samples, const at::Tensor& labels)> score,
                   int64_t latent_dim, c10::Device device, Prior prior = Prior::normal);

at::ScalarType drift_type(const std::string& precision);  // of sample.precision

// Eval mode, and no parameter takes a gradient.
void freeze(models::Network& network);

// `features_by` of a discriminator; it is held on to. Empty where it is opaque.
std::function<at::Tensor(const at::Tensor& samples, const at::Tensor& labels)> features_of(
    models::NetworkPtr discriminator);

// Puts both networks into eval mode with all parameters frozen and holds on to them. The gradient is taken with respect
// to z alone. Where both have an inference graph it is made here, from the weights as they are now: networks that go on
// learning need the functions above. `observer`: of these graphs, as in graph_score.hpp. `drift` bfloat16: ratio and
// gradient come from graphs of that type, samples from the networks as they are; r is then the ratio as so rounded, the
// same in evaluate and log_ratio, and kernels that accept or reject are exact for p0 e^r. Throws Error(config) where
// there is no graph for that.
Target make_target(models::NetworkPtr generator, models::NetworkPtr ratio, int64_t latent_dim, c10::Device device,
                   Prior prior = Prior::normal, inference::OperationObserver* observer = nullptr,
                   at::ScalarType drift = at::kFloat);

}  // namespace ddls::sampling
