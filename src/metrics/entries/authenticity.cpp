// Authenticity (Alaa et al. 2022; of Stein et al. 2023: AuthPct): the share of samples that are farther from their
// nearest training sample than that one is from its nearest other. What copies the training set has none.
#include <ATen/ATen.h>

#include <limits>
#include <optional>

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
  for_each_product(
      comm, rows, training, Pairs::all,  // columns come in order
      [&](const PairBlock& block) {
        const auto [least, at_column] = block.distances().min(1);
        at::Tensor best = nearest.distances.narrow(0, block.rows.begin, block.rows.size());
        at::Tensor ids = nearest.ids.narrow(0, block.rows.begin, block.rows.size());
        const at::Tensor nearer = least < best;
        ids.copy_(at::where(nearer, at_column + block.columns.begin, ids));
        best.copy_(at::where(nearer, least, best));
      },
      "authenticity");
  nearest.distances.masked_fill_(nearest.distances.isinf(), 0);  // rows of other ranks
  comm.all_reduce(nearest.distances);
  comm.all_reduce(nearest.ids);
  return nearest;
}

// **Collective.**
double authentic_share(dist::Communicator& comm, const FeatureBlocks& rows, const SetFeatures& training) {
  const NearestTraining nearest = nearest_training(comm, rows, training.rows);
  const at::Tensor radii = neighbour_radii(comm, training, training.rows.count, 1);
  return (radii.index_select(0, nearest.ids) < nearest.distances).to(at::kDouble).mean().item<double>();
}

// Of the reference, where training has not seen it.
std::any prepare_authenticity(const config::NoOptions&, const MetricContext& context, const Reference& reference) {
  const SetFeatures& reals = reference.set;
  if (reference.is_training || reals.rows.count == 0 || !reals.finite) return std::optional<double>();
  return std::optional(authentic_share(context.comm, reals.rows, *reference.training));
}

Json compute_authenticity(const config::NoOptions&, const MetricInputs& in) {
  Json metrics{{"authenticity", authentic_share(in.context.comm, in.own.rows, *in.reference.training)}};
  if (const auto& of_reals = in.prepared_as<std::optional<double>>())
    metrics["authenticity_reals"] = *of_reals;
  else
    refuse(metrics, {"authenticity_reals"},
           in.reference.set.name + (in.reference.is_training ? " is the training set" : " has no features to compare"));
  return metrics;
}

}  // namespace

Metric authenticity_metric() {
  return described<config::NoOptions>(
      {.name = "authenticity",
       .summary = "share of samples that are no copies of training samples",
       .keys = {{"authenticity", "share of fakes farther from their nearest training sample than that from its nearest",
                 "",
                 MetricColumn{.title = "authenticity",
                              .unit = "%",
                              .factor = 100,
                              .decimals = 2,
                              .curve = "authenticity",
                              .level = MetricLevel{"unseen reals", "authenticity_reals"}}},
                {"authenticity_reals", "the same share of the reference; null where that is the training set"}},
       .protocol_keys = {},
       .needs = MetricNeeds{.rows = all_rows_needed, .training_rows = all_rows_needed, .unseen_rows = all_rows_needed},
       .prepare = prepare_authenticity,
       .compute = compute_authenticity});
}

}  // namespace ddls::metrics
