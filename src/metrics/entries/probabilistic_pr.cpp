// Probabilistic precision and recall (Park, Kim 2023): a sample lies in the other set's support with the probability
// 1 - prod(1 - max(0, 1 - d/R)) over that set, R = a times the mean distance to the k-th neighbour in it.
#include <ATen/ATen.h>

#include "base/json.hpp"
#include "metrics/entry.hpp"
#include "metrics/neighbour_distances.hpp"

namespace ddls::metrics {
namespace {

struct ProbabilisticPrOptions {
  double a = 1.2;
  int64_t k = 4;
  int64_t count = 10'000;
};

void bind_probabilistic_pr(config::Section& s, ProbabilisticPrOptions& o) {
  s.value("a", &o.a, "balls reach so many times the mean distance to the k-th neighbour", config::above(0));
  s.value("k", &o.k, "that neighbour", config::at_least(1));
  s.value("count", &o.count, "the first so many images of each set", config::at_least(2));
}

// log(1 - max(0, 1 - d/R)): that one ball of radius R does not hold the sample.
at::Tensor log_outside(const at::Tensor& distances, double radius) {
  return (distances.to(at::kDouble) / radius).clamp_max(1).log();
}

// [fakes + reals] float64: log-probability that no ball of the other set holds the sample. A set whose balls have no
// radius adds nothing.
class LogsOutside final : public PairSums {
 public:
  LogsOutside(int64_t reals, int64_t fakes, double real_radius, double own_radius)
      : PairSums(reals, fakes, at::zeros({fakes + reals}, at::kDouble)),
        real_radius(real_radius),
        own_radius(own_radius) {}

  void add(const PairBlock& block) override {
    const at::Tensor& distances = block.distances();
    if (real_radius > 0)
      sums().narrow(0, block.columns.begin, block.columns.size()) += log_outside(distances, real_radius).sum(0);
    if (own_radius > 0)
      sums().narrow(0, fakes() + block.rows.begin, block.rows.size()) += log_outside(distances, own_radius).sum(1);
  }

  const double real_radius, own_radius;
};

std::shared_ptr<PairSums> logs_outside(const ProbabilisticPrOptions& o, const MetricInputs& in) {
  const SetFeatures &own = in.own, &real = in.reference.set;
  if (!no_neighbours_why(own, real, o.count, o.k).empty()) return nullptr;
  const auto radius_of = [&](const SetFeatures& set) {
    return o.a * neighbour_radii(in.context.comm, set, o.count, o.k).to(at::kDouble).mean().item<double>();
  };
  const double own_radius = radius_of(own), real_radius = radius_of(real);
  return std::make_shared<LogsOutside>(real.rows.first(o.count).count, own.rows.first(o.count).count, real_radius,
                                       own_radius);
}

Json compute_probabilistic_pr(const ProbabilisticPrOptions& options, const MetricInputs& in) {
  Json metrics = Json::object();
  if (in.pairs == nullptr) {
    refuse(metrics, {"probabilistic_precision", "probabilistic_recall"},
           no_neighbours_why(in.own, in.reference.set, options.count, options.k));
    return metrics;
  }
  const auto& logs = static_cast<const LogsOutside&>(*in.pairs);
  const at::Tensor inside = -logs.sums().expm1();
  metrics["probabilistic_precision"] = inside.narrow(0, 0, logs.fakes()).mean().item<double>();
  metrics["probabilistic_recall"] = inside.narrow(0, logs.fakes(), logs.reals()).mean().item<double>();
  const auto no_radius = [&](const char* name, const SetFeatures& set) {
    refuse(metrics, {name},
           fmt::format("every sample of {} has {} equals in it: balls of radius 0", set.name, options.k));
  };
  if (!(logs.real_radius > 0)) no_radius("probabilistic_precision", in.reference.set);
  if (!(logs.own_radius > 0)) no_radius("probabilistic_recall", in.own);
  return metrics;
}

}  // namespace

Metric probabilistic_pr_metric() {
  return described<ProbabilisticPrOptions>(
      {.name = "probabilistic_pr",
       .summary = "probabilistic precision and recall, with soft balls",
       .options = bind_probabilistic_pr,
       .keys = {{"probabilistic_precision", "mean probability of fakes in the support of reals (probabilistic_pr)", "",
                 MetricColumn{.title = "precision", .unit = "probabilistic"}},
                {"probabilistic_recall", "mean probability of reals in the support of fakes (probabilistic_pr)", "",
                 MetricColumn{.title = "recall", .unit = "probabilistic"}}},
       .protocol_keys = {{"probabilistic_pr", "metric probabilistic_pr"},
                         {"probabilistic_pr.a", "radius over the mean distance to the k-th neighbour"},
                         {"probabilistic_pr.k", "that neighbour"},
                         {"probabilistic_pr.count", "the first of the set, as used", "samples"},
                         {"probabilistic_pr.reference_count", "the first of the reference, as used", "samples"}},
       .needs = [](const ProbabilisticPrOptions& o) { return MetricNeeds{.rows = o.count, .reference_rows = o.count}; },
       .pairs = logs_outside,
       .compute = compute_probabilistic_pr,
       .protocol =
           [](const ProbabilisticPrOptions& o, const Json&, int64_t count, int64_t reference_count) {
             return Json{{"probabilistic_pr",
                          {{"a", o.a},
                           {"k", o.k},
                           {"count", std::min(o.count, count)},
                           {"reference_count", std::min(o.count, reference_count)}}}};
           }});
}

}  // namespace ddls::metrics
