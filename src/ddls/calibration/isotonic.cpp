#include "ddls/calibration/isotonic.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/error.hpp"

namespace ddls::sampling {
namespace {

struct Step {
  double count = 0, target_sum = 0, score_sum = 0, lowest = 0, highest = 0;
  double target() const { return target_sum / count; }
  void absorb(const Step& next) {
    count += next.count;
    target_sum += next.target_sum;
    score_sum += next.score_sum;
    highest = next.highest;
  }
};

// One step per sample, by score; samples of one score are one step.
std::vector<Step> samples_by_score(const at::Tensor& real, const at::Tensor& fake) {
  const auto n1 = static_cast<double>(real.numel()), n0 = static_cast<double>(fake.numel());
  std::vector<Step> steps;
  const auto add = [&](const at::Tensor& scores, double target) {
    const at::Tensor dense = scores.contiguous();
    const double* d = dense.const_data_ptr<double>();
    for (int64_t i = 0; i < dense.numel(); ++i) steps.push_back({1, target, d[i], d[i], d[i]});
  };
  add(real, (n1 + 1) / (n1 + 2));
  add(fake, 1 / (n0 + 2));
  std::stable_sort(steps.begin(), steps.end(), [](const Step& a, const Step& b) { return a.lowest < b.lowest; });
  std::vector<Step> merged;
  for (const Step& step : steps) {
    if (!merged.empty() && merged.back().highest == step.lowest)
      merged.back().absorb(step);
    else
      merged.push_back(step);
  }
  return merged;
}

// Fritsch and Butland's slopes inside, 0 at both ends.
at::Tensor monotone_slopes(const at::Tensor& x, const at::Tensor& y) {
  const at::Tensor h = x.diff(), secant = y.diff() / h;
  const int64_t inner = h.numel() - 1;
  at::Tensor slopes = at::zeros_like(x);
  if (inner == 0) return slopes;
  const at::Tensor h0 = h.narrow(0, 0, inner), h1 = h.narrow(0, 1, inner);
  const at::Tensor w0 = 2 * h1 + h0, w1 = h1 + 2 * h0;
  slopes.narrow(0, 1, inner).copy_((w0 + w1) / (w0 / secant.narrow(0, 0, inner) + w1 / secant.narrow(0, 1, inner)));
  return slopes;
}

}  // namespace

Staircase fit_isotonic(const at::Tensor& real, const at::Tensor& fake) {
  std::vector<Step> stairs;
  for (Step next : samples_by_score(real, fake)) {
    while (!stairs.empty() && stairs.back().target() >= next.target()) {
      Step before = stairs.back();
      stairs.pop_back();
      before.absorb(next);
      next = before;
    }
    stairs.push_back(next);
  }
  if (stairs.size() < 2)
    fail(Exit::data,
         "calibration: held-out reals do not score higher than fakes anywhere; the discriminator cannot guide a "
         "sampler: train it longer, or fit a ratio with train.ratio.steps");
  std::vector<double> scores, edges, log_ratios;
  for (size_t i = 0; i < stairs.size(); ++i) {
    if (i > 0) edges.push_back((stairs[i - 1].highest + stairs[i].lowest) / 2);
    scores.push_back(stairs[i].score_sum / stairs[i].count);
    log_ratios.push_back(std::log(stairs[i].target() / (1 - stairs[i].target())));
  }
  const auto tensor = [](const std::vector<double>& values) { return at::tensor(values, at::kDouble); };
  return {tensor(scores), tensor(edges), tensor(log_ratios)};
}

ScoreMap staircase_map(const Staircase& stairs, c10::Device device) {
  const at::Tensor edges = stairs.edges.to(device), values = stairs.log_ratios.to(device);
  return [=](const at::Tensor& scores) {
    const at::Tensor step = at::searchsorted(edges, scores.to(at::kDouble));
    const at::Tensor r = at::where(scores.isnan(), scores.to(at::kDouble), values.index_select(0, step));
    return MappedScores{r.to(scores.scalar_type()), at::zeros_like(scores)};
  };
}

ScoreMap cubic_map(const Staircase& stairs, c10::Device device) {
  const at::Tensor x = stairs.scores.to(device), y = stairs.log_ratios.to(device),
                   m = monotone_slopes(stairs.scores, stairs.log_ratios).to(device);
  const double lowest = stairs.scores[0].item<double>(), highest = stairs.scores[-1].item<double>();
  return [=](const at::Tensor& scores) {
    const at::Tensor d = scores.to(at::kDouble).clamp(lowest, highest);
    const at::Tensor right = at::searchsorted(x, d).clamp(1, x.numel() - 1), left = right - 1;
    const auto at = [](const at::Tensor& values, const at::Tensor& index) { return values.index_select(0, index); };
    const at::Tensor h = at(x, right) - at(x, left), t = (d - at(x, left)) / h, rise = at(y, right) - at(y, left);
    const at::Tensor m0 = at(m, left) * h, m1 = at(m, right) * h;
    // y0 + m0 t + (3 rise - 2 m0 - m1) t^2 + (m0 + m1 - 2 rise) t^3
    const at::Tensor b = 3 * rise - 2 * m0 - m1, c = m0 + m1 - 2 * rise;
    const at::Tensor r = at(y, left) + t * (m0 + t * (b + t * c)), slope = (m0 + t * (2 * b + t * 3 * c)) / h;
    const at::Tensor inside = at::logical_and(scores >= lowest, scores <= highest);
    return MappedScores{r.to(scores.scalar_type()),
                        at::where(inside, slope, at::zeros_like(slope)).to(scores.scalar_type())};
  };
}

}  // namespace ddls::sampling
