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

// [fakes + reals] int64: by how many balls of the other set each sample is held.
class Held final : public PairSums {
 public:
  Held(at::Tensor real_radii, at::Tensor own_radii)
      : PairSums(real_radii.numel(), own_radii.numel(), at::zeros({own_radii.numel() + real_radii.numel()}, at::kLong)),
        real_radii_(std::move(real_radii)),
        own_radii_(std::move(own_radii)) {}

  void add(const PairBlock& block) override {
    const at::Tensor& distances = block.distances();
    const int64_t real = block.rows.begin, own = block.columns.begin, m = block.rows.size(), n = block.columns.size();
    sums().narrow(0, own, n) += distances.le(real_radii_.narrow(0, real, m).unsqueeze(1)).sum(0);
    sums().narrow(0, fakes() + real, m) += distances.le(own_radii_.narrow(0, own, n).unsqueeze(0)).sum(1);
  }

 private:
  at::Tensor real_radii_, own_radii_;
};

std::shared_ptr<PairSums> held_samples(const ImprovedPrOptions& o, const MetricInputs& in) {
  const SetFeatures &own = in.own, &real = in.reference.set;
  if (!no_neighbours_why(own, real, o.count, o.k).empty()) return nullptr;
  dist::Communicator& comm = in.context.comm;
  at::Tensor own_radii = neighbour_radii(comm, own, o.count, o.k);
  return std::make_shared<Held>(neighbour_radii(comm, real, o.count, o.k), std::move(own_radii));
}

Json compute_improved_pr(const ImprovedPrOptions& options, const MetricInputs& in) {
  Json metrics = Json::object();
  if (in.pairs == nullptr) {
    refuse(metrics, {"improved_precision", "improved_recall"},
           no_neighbours_why(in.own, in.reference.set, options.count, options.k));
    return metrics;
  }
  const at::Tensor inside = in.pairs->sums().gt(0).to(at::kDouble);
  return {{"improved_precision", inside.narrow(0, 0, in.pairs->fakes()).mean().item<double>()},
          {"improved_recall", inside.narrow(0, in.pairs->fakes(), in.pairs->reals()).mean().item<double>()}};
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
       .pairs = held_samples,
       .compute = compute_improved_pr,
       .protocol =
           [](const ImprovedPrOptions& o, const Json&, int64_t count, int64_t reference_count) {
             return Json{{"improved_pr", ball_protocol(o.k, o.count, count, reference_count)}};
           }});
}

}  // namespace ddls::metrics
