#include "metrics/weighted_frechet.hpp"

#include <ATen/ATen.h>

#include <cmath>

#include "metrics/frechet_metrics.hpp"

namespace ddls::metrics {
namespace {

// Rows dealt in turn to so many parts: fewer where a distance takes long.
int64_t parts_for(int64_t features) { return features <= 1024 ? 8 : 2; }

struct WeightedPart {
  double weight = 0, squares = 0;  // sums over its rows
  double ess() const { return weight * weight / squares; }
};

GaussianStatistics statistics_of(const at::Tensor& sums, const at::Tensor& centre, const WeightedPart& part) {
  Moments scaled(centre.numel());
  scaled.recentre(centre);
  scaled.sums().copy_(sums * (part.weight / part.squares));
  return scaled.statistics("the weighted set");
}

// Sums of every part, around one centre, over all ranks. Fills `centre`.
std::vector<at::Tensor> sums_of_parts(dist::Communicator& comm, const FeatureBlocks& rows, const at::Tensor& weights,
                                      int64_t parts, at::Tensor& centre) {
  std::vector<Moments> moments;
  for (int64_t p = 0; p < parts; ++p) moments.emplace_back(rows.features);
  for (size_t i = 0; i < rows.own.size(); ++i) {
    const int64_t begin = rows.ids_of(rows.first_own + static_cast<int64_t>(i)).begin, count = rows.own[i].size(0);
    for (int64_t p = 0; p < parts; ++p) {
      const int64_t from = (p - begin % parts + parts) % parts;
      if (from >= count) continue;
      const at::Tensor own = weights.slice(0, begin + from, begin + count, parts);
      moments[static_cast<size_t>(p)].add(rows.own[i].slice(0, from, count, parts), own);
    }
  }
  centre = moments.front().centre().clone();
  comm.broadcast(centre);
  std::vector<at::Tensor> sums;
  for (Moments& part : moments) {
    part.recentre(centre);
    comm.all_reduce(part.sums());
    sums.push_back(part.sums());
  }
  return sums;
}

}  // namespace

std::optional<WeightedDistance> weighted_frechet(dist::Communicator& comm, const FeatureBlocks& rows,
                                                 const at::Tensor& weights, int64_t count,
                                                 const std::optional<GaussianFactor>& reference, std::string& why) {
  const int64_t n = weights.numel(), parts = parts_for(rows.features);
  WeightedPart whole;
  std::vector<WeightedPart> of_parts;
  for (int64_t p = 0; p < parts; ++p) {
    const at::Tensor own = weights.slice(0, p, n, parts);
    const WeightedPart part{own.sum().item<double>(), own.square().sum().item<double>()};
    if (!(part.ess() >= 2)) {
      why = fmt::format("few draws carry the weights: an {}th of them is worth {:.2g}", parts, part.ess());
      return std::nullopt;
    }
    whole.weight += part.weight;
    whole.squares += part.squares;
    of_parts.push_back(part);
  }
  at::Tensor centre;
  const std::vector<at::Tensor> of_sums = sums_of_parts(comm, rows, weights, parts, centre);
  at::Tensor sums;
  double mean = 0, squares = 0, inverse = 0;
  const auto share = 1 / static_cast<double>(parts);
  for (size_t p = 0; p < of_sums.size(); ++p) {
    const at::Tensor& own = of_sums[p];
    sums = sums.defined() ? sums + own : own;
    const double d =
        distance_on_root(comm, statistics_of(own, centre, of_parts[p]), "a part of a weighted set", reference);
    mean += d * share;
    squares += d * d * share;
    inverse += share / of_parts[p].ess();
  }
  WeightedDistance distance;
  distance.all = distance_on_root(comm, statistics_of(sums, centre, whole), "a weighted set", reference);
  const double slope = (mean - distance.all) / (inverse - 1 / whole.ess()), at = 1 / static_cast<double>(count);
  distance.at_count = std::max(0.0, distance.all + slope * (at - 1 / whole.ess()));
  const double variance = std::max(0.0, squares - mean * mean) / (1 - share);  // of a part's
  distance.std = std::sqrt(variance * (at + 1 / whole.ess()) / inverse);
  return distance;
}

}  // namespace ddls::metrics
