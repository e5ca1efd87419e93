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

using Function = std::function<at::Tensor(const at::Tensor&, const at::Tensor&)>;

}  // namespace

Target make_target(Function generate, Function score, int64_t latent_dim, c10::Device device, Prior prior) {
  Target target;
  target.latent_dim = latent_dim;
  target.device = device;
  target.prior = prior;
  target.decode_by = [generate, prior](const at::Tensor& w, const at::Tensor& labels) {
    at::NoGradGuard no_grad;
    return generate(latent_of(prior, w), labels);
  };
  target.evaluate_by = [generate, score, prior](const at::Tensor& w, const at::Tensor& labels) {
    at::Tensor leaf = w.detach().requires_grad_(true);
    const at::Tensor log_ratio = score(generate(latent_of(prior, leaf), labels), labels);
    // Chains are independent, so the gradient of the sum holds each chain's own gradient.
    const at::Tensor gradient = torch::autograd::grad({log_ratio.sum()}, {leaf}).front();
    return Evaluation{-0.5 * w.detach().square().sum(1), log_ratio.detach(), gradient};
  };
  target.log_ratio_by = [generate, score, prior](const at::Tensor& w, const at::Tensor& labels) {
    at::NoGradGuard no_grad;
    return score(generate(latent_of(prior, w), labels), labels);
  };
  target.score_by = std::move(score);
  return target;
}

Target make_target(NetworkPtr generator, NetworkPtr ratio, int64_t latent_dim, c10::Device device, Prior prior) {
  freeze(*generator);
  freeze(*ratio);
  return make_target(
      [generator](const at::Tensor& z, const at::Tensor& labels) { return generator->forward(z, labels); },
      [ratio](const at::Tensor& x, const at::Tensor& labels) { return ratio->forward(x, labels); }, latent_dim, device,
      prior);
}

}  // namespace ddls
