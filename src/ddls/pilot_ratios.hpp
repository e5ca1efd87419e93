#pragma once
// Log-ratios of prior draws apart from the chains, and what weights e^r over them say.
#include <map>
#include <string>

#include "ddls/pilot.hpp"

namespace ddls::sampling {

// [pilots] float64 on the CPU, the same on every rank; what is not finite stays so. **Collective** with `warm_up.sum`.
// Pilot i is at pilot_latents(...)[i].
at::Tensor pilot_ratios(int64_t pilots, const Target& target, const tensor::Noise& noise, const WarmUp& warm_up);

// [pilots, k] float32 on the target's device.
at::Tensor pilot_latents(int64_t pilots, const Target& target, const tensor::Noise& noise);

// Those of `log_ratio` that are finite. Error(data) where none is; `who` begins the message.
at::Tensor finite_ratios(const at::Tensor& log_ratio, const char* who);

// (sum w)^2 / (n sum w^2), and log mean w, of w = e^{log_weight}; [n] float64, -inf is a weight of 0.
double ess_fraction(const at::Tensor& log_weight);
double log_mean_exp(const at::Tensor& log_weight);

// Both over pilots, as Method::warm_up names them; `log_ratio` as finite_ratios gives it.
std::map<std::string, double> prior_weights(const at::Tensor& log_ratio);

}  // namespace ddls::sampling
