// Improved precision and recall (Kynkaanniemi et al. 2019) as torch-fidelity has them: k = 3, and a sample on the rim
// of a ball lies in it. `prdc` has the open balls of the prdc package.
#include <ATen/ATen.h>

#include "base/json.hpp"
#include "metrics/balls.hpp"
#include "metrics/entry.hpp"
#include "metrics/neighbour_distances.hpp"

namespace ddls::metrics {
namespace {

struct ImprovedPrOptions {
  int64_t k = 3;
  int64_t count = 10'000;
};

Json compute_improved_pr(const ImprovedPrOptions& options, const MetricInputs& in) {
  dist::Communicator& comm = in.context.comm;
  const SetFeatures &own = in.own, &real = in.reference.set;
  Json metrics = Json::object();
  if (const std::string why = no_neighbours_why(own, real, options.count, options.k); !why.empty()) {
    refuse(metrics, {"improved_precision", "improved_recall"}, why);
    return metrics;
  }
  const at::Tensor own_radii = neighbour_radii(comm, own, options.count, options.k);
  const at::Tensor real_radii = neighbour_radii(comm, real, options.count, options.k);
  const int64_t fakes = own_radii.numel(), reals = real_radii.numel();
  at::Tensor held = at::zeros({fakes + reals}, at::kLong);  // by how many balls of the other set
  for_each_pair(
      comm, real.rows.first(options.count), own.rows.first(options.count), Pairs::all,
      [&](const BlockOfRows& a, const BlockOfRows& b) {
        const at::Tensor block = distances(a.rows, b.rows);
        const int64_t m = a.ids.size(), n = b.ids.size();
        held.narrow(0, b.ids.begin, n) += block.le(real_radii.narrow(0, a.ids.begin, m).unsqueeze(1)).sum(0);
        held.narrow(0, fakes + a.ids.begin, m) += block.le(own_radii.narrow(0, b.ids.begin, n).unsqueeze(0)).sum(1);
      },
      "improved precision and recall");
  comm.all_reduce(held);
  const at::Tensor inside = held.gt(0).to(at::kDouble);
  return {{"improved_precision", inside.narrow(0, 0, fakes).mean().item<double>()},
          {"improved_recall", inside.narrow(0, fakes, reals).mean().item<double>()}};
}

}  // namespace

Metric improved_pr_metric() {
  return described<ImprovedPrOptions>(
      {.name = "improved_pr",
       .summary = "improved precision and recall, with closed balls (k = 3)",
       .options = [](config::Section& s, ImprovedPrOptions& o) { bind_balls(s, o.k, o.count); },
       .keys = {{"improved_precision", "share of fakes in a closed ball of reals (improved_pr)", "",
                 MetricColumn{.title = "precision", .unit = "closed balls"}},
                {"improved_recall", "share of reals in a closed ball of fakes (improved_pr)", "",
                 MetricColumn{.title = "recall", .unit = "closed balls"}}},
       .protocol_keys = ball_keys("improved_pr"),
       .needs = [](const ImprovedPrOptions& o) { return first_rows(o.count); },
       .compute = compute_improved_pr,
       .protocol =
           [](const ImprovedPrOptions& o, const Json&, int64_t count, int64_t reference_count) {
             return Json{{"improved_pr", ball_protocol(o.k, o.count, count, reference_count)}};
           }});
}

}  // namespace ddls::metrics
