// Authenticity (Alaa et al. 2022; of Stein et al. 2023: AuthPct): the share of samples that are farther from their
// nearest training sample than that one is from its nearest other. What copies the training set has none.
#include <ATen/ATen.h>

#include <limits>

#include "base/json.hpp"
#include "metrics/entry.hpp"
#include "metrics/neighbour_distances.hpp"

namespace ddls::metrics {
namespace {

// Of every row: the distance to the nearest training sample and that one's number, of equally near ones the first.
struct NearestTraining {
  at::Tensor distances, ids;  // [count] float32 and int64
};

// **Collective.**
NearestTraining nearest_training(dist::Communicator& comm, const FeatureBlocks& rows, const FeatureBlocks& training) {
  const at::Tensor none = at::full({rows.count}, std::numeric_limits<double>::infinity(), at::kFloat);
  NearestTraining nearest{none, at::zeros({rows.count}, at::kLong)};
  for_each_pair(
      comm, rows, training, Pairs::all,  // columns come in order
      [&](const BlockOfRows& a, const BlockOfRows& b) {
        const auto [least, at_column] = distances(a.rows, b.rows).min(1);
        at::Tensor best = nearest.distances.narrow(0, a.ids.begin, a.ids.size());
        at::Tensor ids = nearest.ids.narrow(0, a.ids.begin, a.ids.size());
        const at::Tensor nearer = least < best;
        ids.copy_(at::where(nearer, at_column + b.ids.begin, ids));
        best.copy_(at::where(nearer, least, best));
      },
      "authenticity");
  nearest.distances.masked_fill_(nearest.distances.isinf(), 0);  // rows of other ranks
  comm.all_reduce(nearest.distances);
  comm.all_reduce(nearest.ids);
  return nearest;
}

Json compute_authenticity(const config::NoOptions&, const MetricInputs& in) {
  dist::Communicator& comm = in.context.comm;
  const SetFeatures& training = *in.reference.training;
  const NearestTraining nearest = nearest_training(comm, in.own.rows, training.rows);
  const at::Tensor radii = neighbour_radii(comm, training, training.rows.count, 1);
  const at::Tensor authentic = radii.index_select(0, nearest.ids) < nearest.distances;
  return {{"authenticity", authentic.to(at::kDouble).mean().item<double>()}};
}

}  // namespace

Metric authenticity_metric() {
  return described<config::NoOptions>(
      {.name = "authenticity",
       .summary = "share of samples that are no copies of training samples",
       .keys = {{"authenticity", "share of fakes farther from their nearest training sample than that from its nearest",
                 "",
                 MetricColumn{
                     .title = "authenticity", .unit = "%", .factor = 100, .decimals = 2, .curve = "authenticity"}}},
       .protocol_keys = {},
       .needs = MetricNeeds{.rows = all_rows_needed, .training_rows = all_rows_needed},
       .compute = compute_authenticity});
}

}  // namespace ddls::metrics
