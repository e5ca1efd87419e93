#include "ddls/calibration/score_map.hpp"

#include <ATen/ATen.h>

namespace ddls::sampling {

ScoreMap affine_map(double alpha, double offset) {
  return [=](const at::Tensor& scores) { return MappedScores{scores * alpha + offset, at::full_like(scores, alpha)}; };
}

Target calibrated(const Target& raw, const ScoreMap& map) {
  Target target = raw;
  target.evaluate_by = [raw, map](const at::Tensor& z, const at::Tensor& labels) {
    Evaluation e = raw.evaluate(z, labels);
    const MappedScores mapped = map(e.log_ratio);
    e.log_ratio = mapped.log_ratio;
    e.grad_log_ratio = e.grad_log_ratio * mapped.slope.unsqueeze(1);
    return e;
  };
  target.log_ratio_by = [raw, map](const at::Tensor& z, const at::Tensor& labels) {
    return map(raw.log_ratio(z, labels)).log_ratio;
  };
  if (!raw.score_by) return target;
  target.score_by = [raw, map](const at::Tensor& samples, const at::Tensor& labels) {
    const at::Tensor scores = raw.score_by(samples, labels);
    const MappedScores mapped = map(scores.detach());
    return mapped.log_ratio +
           mapped.slope * (scores - scores.detach());  // the second term is 0, but carries the gradient
  };
  return target;
}

}  // namespace ddls::sampling
