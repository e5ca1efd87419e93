#include "ddls/target.hpp"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include "models/network.hpp"

namespace ddls {
namespace {

void freeze(Network& network) {
  network.eval();
  for (at::Tensor& parameter : network.parameters()) parameter.requires_grad_(false);
}

}  // namespace

Target make_target(NetworkPtr generator, NetworkPtr ratio, int64_t latent_dim, c10::Device device) {
  freeze(*generator);
  freeze(*ratio);
  Target target;
  target.latent_dim = latent_dim;
  target.device = device;
  target.decode = [generator](const at::Tensor& z) {
    at::NoGradGuard no_grad;
    return generator->forward(z);
  };
  target.evaluate = [generator, ratio](const at::Tensor& z) {
    at::Tensor leaf = z.detach().requires_grad_(true);
    const at::Tensor log_ratio = ratio->forward(generator->forward(leaf));
    // Chains are independent, so the gradient of the sum holds each chain's own gradient.
    const at::Tensor gradient = torch::autograd::grad({log_ratio.sum()}, {leaf}).front();
    return Evaluation{-0.5 * z.detach().square().sum(1), log_ratio.detach(), gradient};
  };
  return target;
}

}  // namespace ddls
