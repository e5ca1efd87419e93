#include "ddls/calibration/platt.hpp"

#include <ATen/ATen.h>

#include <cmath>

#include "base/error.hpp"

namespace ddls::sampling {
namespace {

struct PlattProblem {
  at::Tensor scores, targets;

  double loss(double alpha, double beta) const {
    const at::Tensor logits = scores * alpha + beta;
    return (at::softplus(logits) - targets * logits).sum().item<double>();
  }
};

// In units in which scores have mean 0 and deviation 1, where Newton's method is well conditioned.
Platt minimum(const PlattProblem& p) {
  constexpr int most_steps = 100, most_halvings = 40;
  double alpha = 0, beta = 0, loss = p.loss(0, 0);
  for (int step = 0; step < most_steps; ++step) {
    const at::Tensor probability = (p.scores * alpha + beta).sigmoid();
    const at::Tensor error = probability - p.targets, weight = probability * (1 - probability);
    const double g_a = (error * p.scores).sum().item<double>(), g_b = error.sum().item<double>();
    const double h_aa = (weight * p.scores.square()).sum().item<double>() + 1e-12,
                 h_ab = (weight * p.scores).sum().item<double>(), h_bb = weight.sum().item<double>() + 1e-12;
    if (std::abs(g_a) + std::abs(g_b) < 1e-10 * static_cast<double>(p.scores.numel())) break;
    const double determinant = h_aa * h_bb - h_ab * h_ab;
    const double step_a = -(h_bb * g_a - h_ab * g_b) / determinant, step_b = -(h_aa * g_b - h_ab * g_a) / determinant;
    double share = 1, next = p.loss(alpha + step_a, beta + step_b);
    for (int i = 0; i < most_halvings && !(next < loss); ++i) {
      share /= 2;
      next = p.loss(alpha + share * step_a, beta + share * step_b);
    }
    if (!(next < loss)) break;  // as low as rounding allows
    alpha += share * step_a;
    beta += share * step_b;
    loss = next;
  }
  return {alpha, beta};
}

}  // namespace

Platt fit_platt(const at::Tensor& real, const at::Tensor& fake) {
  const auto n1 = static_cast<double>(real.numel()), n0 = static_cast<double>(fake.numel());
  const at::Tensor scores = at::cat({real, fake});
  const double mean = scores.mean().item<double>(), deviation = scores.std().item<double>();
  if (!(deviation > 0) || !std::isfinite(deviation))
    fail(Exit::data, "calibration: the scores of held-out reals and of fakes are all alike, or not finite numbers");
  const Platt unit = minimum({(scores - mean) / deviation,
                              at::cat({at::full_like(real, (n1 + 1) / (n1 + 2)), at::full_like(fake, 1 / (n0 + 2))})});
  const Platt fitted{unit.alpha / deviation, unit.beta - unit.alpha * mean / deviation};
  if (!(fitted.alpha > 0))
    fail(Exit::data,
         "calibration: held-out reals do not score higher than fakes (alpha = {:.4g}); the discriminator cannot guide "
         "a sampler: train it longer, or fit a ratio with train.ratio.steps",
         fitted.alpha);
  return fitted;
}

}  // namespace ddls::sampling
