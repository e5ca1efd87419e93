#include "ddls/calibration/head.hpp"

#include <ATen/ATen.h>

#include <cmath>

#include "ddls/calibration/platt.hpp"
#include "ddls/worth.hpp"
#include "models/network.hpp"

namespace ddls::sampling {
namespace {

constexpr int64_t patience = 50, most_updates = 2000;

struct Problem {
  at::Tensor inputs, labels;  // [n, 1 + k]: score, features; [n]: 1 real, 0 fake

  at::Tensor logits(const at::Tensor& w, const at::Tensor& b) const { return at::mv(inputs, w) + b; }
  // Of r = w . inputs + b; half of the rows are reals, and come first.
  double nats_of(const at::Tensor& w, const at::Tensor& b) const {
    const at::Tensor r = logits(w, b);
    const int64_t half = r.numel() / 2;
    return nats({r.narrow(0, 0, half)}, {r.narrow(0, half, half)});
  }
};

// Of the mean loss: a quarter of the largest eigenvalue of X^T X / n, by power iteration, with some room.
double largest_curvature(const at::Tensor& x) {
  at::Tensor v = at::ones({x.size(1)}, x.options());
  double eigenvalue = 0;
  for (int i = 0; i < 30; ++i) {
    v = v / v.norm();
    const at::Tensor next = at::mv(x.t(), at::mv(x, v)) / static_cast<double>(x.size(0));
    eigenvalue = next.norm().item<double>();
    v = next;
  }
  return 1.1 * 0.25 * (eigenvalue + 1);  // 1: of the constant
}

Problem problem_of(const ScoredFeatures& real, const ScoredFeatures& fake, int64_t begin, int64_t end) {
  const auto rows = [&](const ScoredFeatures& s) {
    return at::cat({s.scores.unsqueeze(1), s.features}, 1).narrow(0, begin, end - begin);
  };
  const at::Tensor ones = at::ones({end - begin}, at::kDouble);
  return {at::cat({rows(real), rows(fake)}), at::cat({ones, at::zeros_like(ones)})};
}

}  // namespace

HeadFit fit_head(const ScoredFeatures& real, const ScoredFeatures& fake) {
  const int64_t n = real.scores.numel(), learnt = n - n / 4;
  Problem fitted = problem_of(real, fake, 0, learnt), watched = problem_of(real, fake, learnt, n);
  const at::Tensor mean = fitted.inputs.mean(0), spread = fitted.inputs.std(0).clamp_min(1e-12);
  for (Problem* p : {&fitted, &watched}) p->inputs = (p->inputs - mean) / spread;

  const Platt start = fit_platt(real.scores.narrow(0, 0, learnt), fake.scores.narrow(0, 0, learnt));
  at::Tensor w = at::zeros_like(mean), b = at::full({}, start.beta + start.alpha * mean[0].item<double>(), at::kDouble);
  w[0].fill_(start.alpha * spread[0].item<double>());

  HeadFit best;
  at::Tensor best_w = w, best_b = b, ahead_w = w, ahead_b = b;
  double most = watched.nats_of(w, b), momentum = 1;
  const double rate = 1 / largest_curvature(fitted.inputs);
  for (int64_t update = 1; update <= most_updates && update - best.updates <= patience; ++update) {
    const at::Tensor error =
        (fitted.logits(ahead_w, ahead_b).sigmoid() - fitted.labels) / static_cast<double>(2 * learnt);
    const at::Tensor next_w = ahead_w - rate * at::mv(fitted.inputs.t(), error), next_b = ahead_b - rate * error.sum();
    const double next_momentum = (1 + std::sqrt(1 + 4 * momentum * momentum)) / 2;
    const double push = (momentum - 1) / next_momentum;
    ahead_w = next_w + push * (next_w - w);
    ahead_b = next_b + push * (next_b - b);
    w = next_w;
    b = next_b;
    momentum = next_momentum;
    if (const double gained = watched.nats_of(w, b); gained > most) {
      most = gained;
      best_w = w;
      best_b = b;
      best.updates = update;
    }
  }
  const at::Tensor unscaled = best_w / spread;
  best.alpha = unscaled[0].item<double>();
  best.weight = unscaled.narrow(0, 1, unscaled.numel() - 1).clone();
  best.offset = (best_b - (unscaled * mean).sum()).item<double>();
  return best;
}

models::LastLayer head_of(const HeadFit& fit, const models::LastLayer& old) {
  const at::Tensor weight = old.weight.to(at::kDouble) * fit.alpha + fit.weight.to(old.weight.device()).unsqueeze(0);
  const at::Tensor bias = old.bias.defined() ? old.bias.to(at::kDouble) : at::zeros({1}, weight.options());
  return {weight.to(old.weight.scalar_type()), (bias * fit.alpha + fit.offset).to(old.weight.scalar_type())};
}

}  // namespace ddls::sampling
