// C_T (Meehan, Chaudhuri, Dasgupta 2020): whether samples lie nearer to the training set than reals do that it does not
// hold. In each cell of the training set, the Mann-Whitney z of the distances to the cell's nearest training sample,
// fakes against reals; their mean weighted by the reals' cells. Far below 0: copies; far above: underfitting. Cells:
// k-means on the principal components of the training set, as Stein et al. 2023 choose them.
#include <ATen/ATen.h>

#include <cmath>
#include <limits>

#include "base/json.hpp"
#include "base/log.hpp"
#include "metrics/cells.hpp"
#include "metrics/entries/ct.hpp"
#include "metrics/entry.hpp"
#include "metrics/frechet_metrics.hpp"
#include "metrics/long_work.hpp"
#include "tensor/k_means.hpp"

namespace ddls::metrics {

double mann_whitney_z(const at::Tensor& fakes, const at::Tensor& reals) {
  const auto ordered = std::get<0>(reals.sort());
  const at::Tensor below = at::searchsorted(ordered, fakes, /*out_int32=*/false, /*right=*/false);
  const at::Tensor not_above = at::searchsorted(ordered, fakes, /*out_int32=*/false, /*right=*/true);
  const double u = static_cast<double>((below + not_above).sum().item<int64_t>()) / 2;
  const auto m = static_cast<double>(fakes.numel()), n = static_cast<double>(reals.numel());
  return (u - m * n / 2) / std::sqrt(m * n * (m + n + 1) / 12);
}

namespace {

struct CtOptions {
  int64_t components = 64;
  int64_t cells = 3;
  int64_t least = 20;
};

void bind_ct(config::Section& s, CtOptions& o) {
  s.value("components", &o.components, "principal components of the training set", config::at_least(1));
  s.value("cells", &o.cells, "of k-means", config::at_least(1));
  s.value("least", &o.least, "a cell counts that holds more samples than this", config::at_least(0));
}

// What all sets are held against; the same on all ranks.
struct TrainingCells {
  Components components;
  at::Tensor centres;                // [k, d]
  std::vector<at::Tensor> training;  // of each cell [n, d]
  at::Tensor real_cells, real_distances;
};

struct CellDistances {
  at::Tensor cells, distances;  // [count] int64 and float64: 0 in cells without training samples
};

at::Tensor least_distance(const at::Tensor& points, const at::Tensor& training) {
  const at::Tensor norms = points.square().sum(1, true) + training.square().sum(1).unsqueeze(0);
  const at::Tensor nearest = at::addmm(norms, points, training.t(), 1, -2).argmin(1);
  return (points - training.index_select(0, nearest)).square().sum(1).sqrt();  // without the cancellation of the sum
}

// **Collective.** Blocks are dealt as features are.
CellDistances cell_distances(dist::Communicator& comm, const FeatureBlocks& rows, const TrainingCells& training) {
  CellDistances result{at::zeros({rows.count}, at::kLong), at::zeros({rows.count}, at::kDouble)};
  const std::vector<int64_t> blocks = rows.own_blocks();
  LongWork work("C_T", static_cast<int64_t>(blocks.size()), comm.root());
  for (const int64_t block : blocks) {
    const IdRange ids = rows.ids_of(block);
    const at::Tensor points = training.components.of(rows.own_rows(block));
    const at::Tensor cells = tensor::nearest_centre(points, training.centres);
    result.cells.narrow(0, ids.begin, ids.size()).copy_(cells);
    for (size_t cell = 0; cell < training.training.size(); ++cell) {
      const at::Tensor members = cells.eq(static_cast<int64_t>(cell)).nonzero().squeeze(1);
      if (members.numel() == 0 || training.training[cell].size(0) == 0) continue;
      result.distances.index_put_({members + ids.begin},
                                  least_distance(points.index_select(0, members), training.training[cell]));
    }
    work.step();
  }
  comm.all_reduce(result.cells);
  comm.all_reduce(result.distances);
  return result;
}

std::any prepare_ct(const CtOptions& options, const MetricContext& context, const Reference& reference) {
  dist::Communicator& comm = context.comm;
  const FeatureBlocks& rows = reference.training->rows;
  TrainingCells training;
  const int64_t dimensions = std::min(options.components, rows.features);
  if (dimensions < rows.features) {
    const GaussianStatistics statistics =
        statistics_where(comm, rows, at::ones({rows.count}, at::kBool), reference.training->name);
    training.components = {statistics.mean, at::zeros({rows.features, dimensions}, at::kDouble)};
    comm.on_root(
        [&] { training.components.directions.copy_(principal_components(statistics, dimensions).directions); });
    comm.broadcast(training.components.directions);
    comm.broadcast(training.components.mean);
  }
  const at::Tensor points =
      mapped_rows(comm, rows, dimensions, [&](const at::Tensor& x) { return training.components.of(x); });
  training.centres = at::zeros({options.cells, dimensions}, at::kDouble);
  at::Tensor cells = at::zeros({rows.count}, at::kLong);
  comm.on_root([&] {
    training.centres.copy_(k_means(points, options.cells));
    cells.copy_(tensor::nearest_centre(points, training.centres));
  });
  comm.broadcast(training.centres);
  comm.broadcast(cells);
  for (int64_t i = 0; i < options.cells; ++i)
    training.training.push_back(points.index_select(0, cells.eq(i).nonzero().squeeze(1)));
  CellDistances reals = cell_distances(comm, reference.set.rows, training);
  training.real_cells = reals.cells;
  training.real_distances = reals.distances;
  return training;
}

Json compute_ct(const CtOptions& options, const MetricInputs& in) {
  const auto& training = in.prepared_as<TrainingCells>();
  const CellDistances fakes = cell_distances(in.context.comm, in.own.rows, training);
  double sum = 0, weight = 0;
  Json scores = Json::array();
  for (int64_t i = 0; i < options.cells; ++i) {
    const at::Tensor own = fakes.distances.masked_select(fakes.cells.eq(i));
    const at::Tensor real = training.real_distances.masked_select(training.real_cells.eq(i));
    if (own.numel() <= options.least || real.numel() == 0 || training.training[static_cast<size_t>(i)].size(0) == 0)
      continue;
    const double z = mann_whitney_z(own, real);
    scores.push_back(z);
    sum += z * static_cast<double>(real.numel());
    weight += static_cast<double>(real.numel());
  }
  if (weight == 0)
    return no_value("ct",
                    fmt::format("no cell holds more than {} samples of {}, and reals", options.least, in.own.name));
  return {{"ct", {{"value", sum / weight}, {"cells", scores.size()}, {"per_cell", scores}}}};
}

}  // namespace

Metric ct_metric() {
  return described<CtOptions>(
      {.name = "ct",
       .summary = "C_T: whether samples lie nearer to the training set than unseen reals do",
       .options = bind_ct,
       .keys = {{"ct", "C_T (ct)"},
                {"ct.value", "mean z over the cells; far below 0: copies", "",
                 MetricColumn{.title = "C_T",
                              .unit = "z",
                              .better = Better::like_real,
                              .decimals = 2,
                              .curve = "ct",
                              .level = MetricLevel{.title = "unseen reals"}}},
                {"ct.cells", "that count"},
                {"ct.per_cell", "z of these"}},
       .protocol_keys = {{"ct", "metric ct"},
                         {"ct.components", "principal components, at most"},
                         {"ct.cells", "of k-means"},
                         {"ct.least", "a cell counts that holds more", "samples"}},
       .needs =
           MetricNeeds{.rows = all_rows_needed, .reference_rows = all_rows_needed, .training_rows = all_rows_needed},
       .prepare = prepare_ct,
       .compute = compute_ct,
       .protocol = [](const CtOptions& o, const auto&...) {
         return Json{{"ct", {{"components", o.components}, {"cells", o.cells}, {"least", o.least}}}};
       }});
}

}  // namespace ddls::metrics
