#include "ddls/target.hpp"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include "ddls/form_score.hpp"
#include "models/network.hpp"

namespace ddls {
namespace {

using Function = std::function<at::Tensor(const at::Tensor&, const at::Tensor&)>;

// Through z = T(w): for the normal prior that is the identity.
at::Tensor gradient_of_latent(Prior prior, const at::Tensor& w,
                              const std::function<at::Tensor(const at::Tensor&)>& of_z) {
  if (prior == Prior::normal) return of_z(w.detach());
  at::AutoGradMode with_grad(true);
  const at::Tensor leaf = w.detach().requires_grad_(true);
  const at::Tensor z = latent_of(prior, leaf);
  return torch::autograd::grad({z}, {leaf}, {of_z(z.detach())}).front();
}

Target make_form_target(Operations generator, Operations ratio, const at::Tensor& like, Prior prior,
                        OperationObserver* observer) {
  const auto form = std::make_shared<const FormScore>(std::move(generator), std::move(ratio), like,
                                                      FormScore::usual_cache_bytes, observer);
  Target target;
  target.decode_by = [form, prior](const at::Tensor& w, const at::Tensor& labels) {
    return form->decode(latent_of(prior, w.detach()), labels);
  };
  target.evaluate_by = [form, prior](const at::Tensor& w, const at::Tensor& labels) {
    Evaluation e{-0.5 * w.detach().square().sum(1), {}, {}};
    e.grad_log_ratio = gradient_of_latent(prior, w, [&](const at::Tensor& z) {
      FormScore::Scores scores = form->scores(z, labels);
      e.log_ratio = scores.log_ratio;
      return scores.gradient;
    });
    return e;
  };
  target.log_ratio_by = [form, prior](const at::Tensor& w, const at::Tensor& labels) {
    return form->log_ratio(latent_of(prior, w.detach()), labels);
  };
  return target;
}

}  // namespace

void freeze(Network& network) {
  network.eval();
  for (at::Tensor& parameter : network.parameters()) parameter.requires_grad_(false);
}

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

Target make_target(NetworkPtr generator, NetworkPtr ratio, int64_t latent_dim, c10::Device device, Prior prior,
                   OperationObserver* observer) {
  freeze(*generator);
  freeze(*ratio);
  const Function generate = [generator](const at::Tensor& z, const at::Tensor& y) { return generator->forward(z, y); };
  const Function score = [ratio](const at::Tensor& x, const at::Tensor& y) { return ratio->forward(x, y); };
  std::optional<Operations> generator_form = generator->sampling_form(), ratio_form = ratio->sampling_form();
  if (!generator_form || !ratio_form) return make_target(generate, score, latent_dim, device, prior);
  const at::Tensor like = at::zeros({1, latent_dim}, generator->parameters().front().options().requires_grad(false));
  Target target = make_form_target(std::move(*generator_form), std::move(*ratio_form), like, prior, observer);
  target.latent_dim = latent_dim;
  target.device = device;
  target.prior = prior;
  target.score_by = score;
  return target;
}

}  // namespace ddls
