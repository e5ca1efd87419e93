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

Json compute_probabilistic_pr(const ProbabilisticPrOptions& options, const MetricInputs& in) {
  dist::Communicator& comm = in.context.comm;
  const SetFeatures &own = in.own, &real = in.reference.set;
  Json metrics = Json::object();
  if (const std::string why = no_neighbours_why(own, real, options.count, options.k); !why.empty()) {
    refuse(metrics, {"probabilistic_precision", "probabilistic_recall"}, why);
    return metrics;
  }
  const auto radius_of = [&](const SetFeatures& set) {
    return options.a * neighbour_radii(comm, set, options.count, options.k).to(at::kDouble).mean().item<double>();
  };
  const double own_radius = radius_of(own), real_radius = radius_of(real);
  const FeatureBlocks fakes = own.rows.first(options.count), reals = real.rows.first(options.count);
  at::Tensor logs = at::zeros({fakes.count + reals.count}, at::kDouble);
  for_each_pair(
      comm, reals, fakes, Pairs::all,
      [&](const BlockOfRows& a, const BlockOfRows& b) {
        const at::Tensor block = distances(a.rows, b.rows);
        if (real_radius > 0) logs.narrow(0, b.ids.begin, b.ids.size()) += log_outside(block, real_radius).sum(0);
        if (own_radius > 0)
          logs.narrow(0, fakes.count + a.ids.begin, a.ids.size()) += log_outside(block, own_radius).sum(1);
      },
      "probabilistic precision and recall");
  comm.all_reduce(logs);
  const at::Tensor inside = -logs.expm1();
  metrics["probabilistic_precision"] = inside.narrow(0, 0, fakes.count).mean().item<double>();
  metrics["probabilistic_recall"] = inside.narrow(0, fakes.count, reals.count).mean().item<double>();
  const auto no_radius = [&](const char* name, const SetFeatures& set) {
    refuse(metrics, {name},
           fmt::format("every sample of {} has {} equals in it: balls of radius 0", set.name, options.k));
  };
  if (!(real_radius > 0)) no_radius("probabilistic_precision", real);
  if (!(own_radius > 0)) no_radius("probabilistic_recall", own);
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
