#include "metrics/inception_score.hpp"

#include <ATen/ATen.h>

#include "base/error.hpp"
#include "metrics/rounding.hpp"

namespace ddls {
namespace {

// [rows, 2 + C] of n, sum p log p, sum p -> [rows] scores
at::Tensor scores_of(const at::Tensor& sums) {
  const at::Tensor n = sums.select(1, 0);
  const at::Tensor marginal = sums.narrow(1, 2, sums.size(1) - 2) / n.unsqueeze(1);
  const at::Tensor entropy = (marginal * marginal.clamp_min(1e-300).log()).sum(1);
  return (sums.select(1, 1) / n - entropy).clamp_min(0).exp();  // a divergence: less than 0 is rounding
}

}  // namespace

InceptionScore::InceptionScore(int64_t classes, int64_t count)
    : count_(count), sums_(at::zeros({splits, 2 + classes}, at::kDouble)) {
  if (count < splits) fail(Exit::data, "the Inception Score needs at least {} images, got {}", splits, count);
}

void InceptionScore::add(const at::Tensor& logits, IdRange ids) {
  const at::Tensor log_p = at::log_softmax(logits.to(at::kCPU, at::kDouble), 1);
  const at::Tensor p = log_p.exp();
  const at::Tensor p_log_p = (p * log_p).sum(1);
  for (int64_t split = 0; split < splits; ++split) {
    const int64_t from = std::max(ids.begin, split * count_ / splits);
    const int64_t to = std::min(ids.end, (split + 1) * count_ / splits);
    if (from >= to) continue;
    at::Tensor row = sums_[split];
    row[0] += to - from;
    row[1] += p_log_p.narrow(0, from - ids.begin, to - from).sum();
    row.narrow(0, 2, p.size(1)) += p.narrow(0, from - ids.begin, to - from).sum(0);
  }
}

MeanStd InceptionScore::score() const {
  const at::Tensor scores = scores_of(sums_);
  const auto mean = scores.mean().item<double>();
  return {mean, without_rounding(scores.std(/*unbiased=*/false).item<double>(), mean)};
}

InceptionScoreOfSubsets::InceptionScoreOfSubsets(int64_t classes, Subsets subsets)
    : subsets_(std::move(subsets)), sums_(at::zeros({subsets_.members.size(0), 2 + classes}, at::kDouble)) {}

void InceptionScoreOfSubsets::add(const at::Tensor& logits, IdRange ids) {
  const at::Tensor log_p = at::log_softmax(logits.to(at::kCPU, at::kDouble), 1);
  const at::Tensor p = log_p.exp();
  const at::Tensor columns = at::cat({at::ones({p.size(0), 1}, p.options()), (p * log_p).sum(1, true), p}, 1);
  sums_ += at::mm(subsets_.members.narrow(1, ids.begin, ids.size()).to(at::kDouble), columns);
}

std::vector<double> InceptionScoreOfSubsets::scores() const {
  const at::Tensor scores = scores_of(sums_);
  return {scores.data_ptr<double>(), scores.data_ptr<double>() + scores.numel()};
}

}  // namespace ddls
