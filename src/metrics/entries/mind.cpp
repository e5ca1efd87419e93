// MIND (arXiv 2605.06797): the squared Wasserstein distance of projections on random directions,
// 3 F/(n M) sum_i sum_j (sort(u_i.X)_j - sort(u_i.Y)_j)^2, over M unit directions u_i and n rows of either set. Of a
// shift alone it is 3 times its square.
#include <ATen/ATen.h>

#include <cmath>

#include "base/json.hpp"
#include "metrics/entry.hpp"
#include "metrics/long_work.hpp"
#include "tensor/noise.hpp"

namespace ddls::metrics {
namespace {

constexpr int64_t side_by_side = 50;  // directions; fixed, since products of another width may round otherwise
constexpr uint64_t directions_seed = 0x6D696E64;  // of no run's seed: the same for all

struct MindOptions {
  int64_t directions = 1000;
};

void bind_mind(config::Section& s, MindOptions& o) {
  s.value("directions", &o.directions, "random directions", config::at_least(2));
}

// [features, count] float64 unit columns.
at::Tensor directions_from(int64_t first, int64_t count, int64_t features) {
  const tensor::Noise noise{directions_seed};
  const at::Tensor rows =
      noise.normal({first, first + count}, features, 0, Stream::projection).to(at::kCPU, at::kDouble);
  return (rows / rows.square().sum(1, true).sqrt()).t().contiguous();
}

// [directions, rows.count] float64, on every rank. **Collective.**
at::Tensor projections(dist::Communicator& comm, const FeatureBlocks& rows, const at::Tensor& directions) {
  return mapped_rows(comm, rows, directions.size(1),
                     [&](const at::Tensor& x) { return at::mm(x.to(at::kDouble), directions); })
      .t()
      .contiguous();
}

at::Tensor in_order(const at::Tensor& rows) { return std::get<0>(rows.sort(1)); }

// [directions] float64: the mean squared distance of sorted projections. **Collective.**
at::Tensor distances_along(dist::Communicator& comm, const FeatureBlocks& own, const FeatureBlocks& real,
                           int64_t directions) {
  const int64_t pieces = (directions + side_by_side - 1) / side_by_side;
  at::Tensor values = at::zeros({directions}, at::kDouble);
  LongWork work("MIND", pieces, comm.root());
  for (int64_t round = 0; round < pieces; round += comm.ranks()) {
    at::Tensor x, y;  // of this rank's piece
    const int64_t mine = round + comm.rank();
    for (int64_t piece = round; piece < std::min<int64_t>(round + comm.ranks(), pieces); ++piece) {
      const int64_t first = piece * side_by_side;
      const at::Tensor u = directions_from(first, std::min(side_by_side, directions - first), own.features);
      const at::Tensor a = projections(comm, own, u), b = projections(comm, real, u);
      if (piece == mine) x = a, y = b;
      work.step();
    }
    if (x.defined())
      values.narrow(0, mine * side_by_side, x.size(0)).copy_((in_order(x) - in_order(y)).square().mean(1));
  }
  comm.all_reduce(values);
  return values;
}

Json compute_mind(const MindOptions& options, const MetricInputs& in) {
  const int64_t n = std::min(in.own.rows.count, in.reference.set.rows.count);
  const FeatureBlocks own = in.own.rows.first(n), real = in.reference.set.rows.first(n);
  const at::Tensor values =
      distances_along(in.context.comm, own, real, options.directions) * (3 * static_cast<double>(own.features));
  return {{"mind", values.mean().item<double>()},
          {"mind_std", values.std().item<double>() / std::sqrt(static_cast<double>(options.directions))}};
}

}  // namespace

Metric mind_metric() {
  return described<MindOptions>(
      {.name = "mind",
       .summary = "squared Wasserstein distance along random directions; of few samples, too",
       .options = bind_mind,
       .keys =
           {{"mind", "sliced Wasserstein distance", "",
             MetricColumn{
                 .title = "MIND", .better = Better::lower, .decimals = -4, .spread_path = "mind_std", .curve = "mind"}},
            {"mind_std", "standard error of its mean over the directions"}},
       .protocol_keys = {{"mind", "metric mind"},
                         {"mind.directions", "random directions"},
                         {"mind.count", "the first of either set, as used", "samples"}},
       .needs = MetricNeeds{.rows = all_rows_needed, .reference_rows = all_rows_needed},
       .compute = compute_mind,
       .protocol = [](const MindOptions& o, const Json&, int64_t count, int64_t reference_count) {
         return Json{{"mind", {{"directions", o.directions}, {"count", std::min(count, reference_count)}}}};
       }});
}

}  // namespace ddls::metrics
