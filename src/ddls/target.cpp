#include "ddls/target.hpp"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include "base/error.hpp"
#include "ddls/graph_score.hpp"
#include "models/network.hpp"

namespace ddls::sampling {
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

using GraphPtr = std::shared_ptr<const GraphScore>;

Function decoder(const GraphPtr& graph, Prior prior) {
  return [=](const at::Tensor& w, const at::Tensor& labels) {
    return graph->decode(latent_of(prior, w.detach()), labels);
  };
}

// `target` has the networks' own functions: its gradient and ratio now come from the graph.
void evaluate_by_graph(Target& target, const GraphPtr& graph) {
  target.corrected_by = [plain = target.corrected_by, graph](const RatioCorrection& correction) {
    Target corrected = plain(correction);
    evaluate_by_graph(corrected, std::make_shared<const GraphScore>(graph->corrected(correction)));
    return corrected;
  };
  const Prior prior = target.prior;
  target.evaluate_by = [graph, prior](const at::Tensor& w, const at::Tensor& labels) {
    Evaluation e{-0.5 * w.detach().square().sum(1), {}, {}};
    e.grad_log_ratio = gradient_of_latent(prior, w, [&](const at::Tensor& z) {
      GraphScore::Scores scores = graph->scores(z, labels);
      e.log_ratio = scores.log_ratio;
      return scores.gradient;
    });
    return e;
  };
  target.log_ratio_by = [graph, prior](const at::Tensor& w, const at::Tensor& labels) {
    return graph->log_ratio(latent_of(prior, w.detach()), labels);
  };
}

}  // namespace

Target Target::corrected(const RatioCorrection& correction) const {
  ensure(static_cast<bool>(corrected_by), "a target of other functions cannot be corrected");
  Target result = corrected_by(correction);
  result.decode_by = decode_by;
  result.features_by = features_by;
  result.latents_by = latents_by;
  result.labels_of = labels_of;
  result.corrected_by = nullptr;
  return result;
}

Target without_gradient(const Target& target) {
  Target alone = target;
  alone.evaluate_by = [target](const at::Tensor& w, const at::Tensor& labels) {
    return Evaluation{-0.5 * w.detach().square().sum(1), target.log_ratio(w, labels), at::zeros_like(w)};
  };
  return alone;
}

at::ScalarType drift_type(const std::string& precision) { return precision == "bfloat16" ? at::kBFloat16 : at::kFloat; }

void freeze(models::Network& network) {
  network.eval();
  for (at::Tensor& parameter : network.parameters()) parameter.requires_grad_(false);
}

Function features_of(models::NetworkPtr discriminator) {
  if (discriminator->opaque()) return nullptr;
  return [network = std::move(discriminator)](const at::Tensor& samples, const at::Tensor& labels) {
    at::NoGradGuard no_grad;
    return network->features(samples, labels);
  };
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
  target.corrected_by = [=](const RatioCorrection& correction) {
    const Function corrected = [score, correction](const at::Tensor& x, const at::Tensor& labels) {
      return correction.apply(score(x, labels), x, labels);
    };
    return make_target(generate, corrected, latent_dim, device, prior);
  };
  target.score_by = std::move(score);
  return target;
}

Target make_target(models::NetworkPtr generator, models::NetworkPtr ratio, int64_t latent_dim, c10::Device device,
                   Prior prior, inference::OperationObserver* observer, at::ScalarType drift) {
  freeze(*generator);
  freeze(*ratio);
  const Function generate = [generator](const at::Tensor& z, const at::Tensor& y) { return generator->forward(z, y); };
  const Function score = [ratio](const at::Tensor& x, const at::Tensor& y) { return ratio->forward(x, y); };
  const auto of_weights = ratio->opaque() ? generator->parameters() : ratio->parameters();
  const at::TensorOptions options = of_weights.empty() ? at::TensorOptions(device).dtype(at::kFloat)
                                                       : of_weights.front().options().requires_grad(false);
  const at::ScalarType type = drift == at::kBFloat16 ? drift : options.dtype().toScalarType();
  std::optional<inference::Operations> generator_graph = generator->inference_graph_in(type),
                                       ratio_graph = ratio->inference_graph_in(type);
  Target target = make_target(generate, score, latent_dim, device, prior);
  if (generator_graph && ratio_graph) {
    const at::Tensor like = at::ones({1, latent_dim}, options.dtype(type));  // not 0: some divide by |z|
    const auto graph = std::make_shared<const GraphScore>(std::move(*generator_graph), std::move(*ratio_graph), like,
                                                          GraphScore::usual_cache_bytes, observer);
    evaluate_by_graph(target, graph);
    if (type == options.dtype()) target.decode_by = decoder(graph, prior);
  } else if (drift == at::kBFloat16) {
    fail(Exit::config, "sample.precision: bfloat16 needs networks with an inference graph, and these have none");
  }
  target.features_by = features_of(ratio);
  return target;
}

}  // namespace ddls::sampling
