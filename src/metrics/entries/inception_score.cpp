#include "metrics/entries/inception_score.hpp"

#include <ATen/ATen.h>

#include "base/error.hpp"
#include "base/json.hpp"
#include "base/log.hpp"
#include "metrics/entry.hpp"
#include "metrics/rounding.hpp"

namespace ddls::metrics {
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

namespace {

// As extraction feeds them.
template <typename Score>
struct OfLogits final : StreamedSums {
  explicit OfLogits(Score of) : score(std::move(of)) {}
  void add(const Features& block, IdRange ids) override { score.add(block.logits, ids); }
  at::Tensor& sums() override { return score.sums(); }
  Score score;
};

std::string too_few(int64_t least) { return fmt::format("fewer than {} images", least); }

std::shared_ptr<StreamedSums> stream_score(const config::NoOptions&, const MetricContext& context,
                                           const EvaluationSet& set) {
  if (set.count < InceptionScore::splits) return nullptr;
  return std::make_shared<OfLogits<InceptionScore>>(InceptionScore(context.extractor->classes, set.count));
}

Json compute_score(const config::NoOptions&, const MetricInputs& in) {
  if (in.streamed == nullptr) return no_value("inception_score", too_few(InceptionScore::splits));
  const MeanStd score = static_cast<const OfLogits<InceptionScore>&>(*in.streamed).score.score();
  return {{"inception_score", {{"mean", score.mean}, {"std", score.std}}}};
}

// Its parts are contiguous: of a folder with a folder per class, each holds few classes.
void warn_of_parts(const config::NoOptions&, const MetricContext& context, const EvaluationSet& set,
                   bool is_reference) {
  if (!is_reference && context.extractor->classes > 0 && lies_class_by_class(set))
    log::warning(
        "{} lies class by class: each of the {} parts of its Inception score holds few classes, and the score is lower "
        "than that of the same samples in random order",
        set.name, InceptionScore::splits);
}

std::shared_ptr<StreamedSums> stream_subsets(const config::NoOptions&, const MetricContext& context,
                                             const EvaluationSet& set) {
  if (set.count < least_for_extrapolation) return nullptr;
  return std::make_shared<OfLogits<InceptionScoreOfSubsets>>(
      InceptionScoreOfSubsets(context.extractor->classes, extrapolation_subsets(set.count)));
}

Json compute_extrapolated(const config::NoOptions&, const MetricInputs& in) {
  if (in.streamed == nullptr) return no_value("is_infinity", too_few(least_for_extrapolation));
  const auto& subsets = static_cast<const OfLogits<InceptionScoreOfSubsets>&>(*in.streamed).score;
  const std::vector<double> scores = subsets.scores();
  const Line line = line_in_inverse_size(subsets.sizes(), scores);
  return {{"is_infinity",
           {{"value", line.intercept}, {"slope", line.slope}, {"sizes", subsets.sizes()}, {"scores", scores}}}};
}

}  // namespace

Metric is_metric() {
  return described<config::NoOptions>({.name = "is",
                                       .summary = "Inception Score, of images",
                                       .keys = {{"inception_score", "IS (is)"},
                                                {"inception_score.mean", "over the 10 parts", "",
                                                 MetricColumn{.title = "Inception Score",
                                                              .decimals = 2,
                                                              .main = true,
                                                              .spread_path = "inception_score.std",
                                                              .curve = "inception_score"}},
                                                {"inception_score.std", "of the 10 parts, divisor 10"}},
                                       .protocol_keys = {{"inception_splits", "metric is: parts"}},
                                       .needs = MetricNeeds{.probabilities = true},
                                       .look = warn_of_parts,
                                       .stream = stream_score,
                                       .compute = compute_score,
                                       .protocol = [](const config::NoOptions&, const Json&, int64_t, int64_t) {
                                         return Json{{"inception_splits", InceptionScore::splits}};
                                       }});
}

Metric is_infinity_metric() {
  return described<config::NoOptions>(
      {.name = "is_infinity",
       .summary = "Inception Score without the bias of a finite set",
       .keys = {{"is_infinity", "IS without the bias of a finite set"},
                {"is_infinity.value", "", "",
                 MetricColumn{.title = "Inception Score, n → ∞", .unit = "extrapolated", .decimals = 2, .main = true}},
                {"is_infinity.slope", "of the line in 1/size", "samples"},
                {"is_infinity.sizes", "of the subsets", "samples"},
                {"is_infinity.scores", "at these sizes"}},
       .needs = MetricNeeds{.probabilities = true},
       .stream = stream_subsets,
       .compute = compute_extrapolated});
}

}  // namespace ddls::metrics
