#include "models/spectral_norm.hpp"

#include <ATen/ATen.h>

#include "models/layers.hpp"

namespace ddls::models {

void power_iteration(torch::nn::Module& network) { settle_spectral_norm(network, 1); }

void settle_spectral_norm(torch::nn::Module& network, int64_t iterations) {
  for (const auto& module : network.modules())
    if (auto* layer = module->as<Layer>(); layer != nullptr && layer->spectral())
      for (int64_t i = 0; i < iterations; ++i) layer->power_iteration();
}

std::vector<double> spectral_norms(const torch::nn::Module& network) {
  at::NoGradGuard no_grad;
  std::vector<at::Tensor> sigmas;
  for (const auto& module : network.modules())
    if (const auto* layer = module->as<Layer>(); layer != nullptr && layer->spectral())
      sigmas.push_back(layer->sigma());
  if (sigmas.empty()) return {};
  const at::Tensor all = at::stack(sigmas).to(at::kCPU, at::kDouble);  // one wait for the device
  return {all.data_ptr<double>(), all.data_ptr<double>() + all.numel()};
}

}  // namespace ddls::models
