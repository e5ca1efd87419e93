#include "metrics/neighbour_distances.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>

#include "base/error.hpp"
#include "metrics/pair_products.hpp"

namespace ddls::metrics {

at::Tensor distances(const at::Tensor& x, const at::Tensor& y) {
  const at::Tensor a = x.to(at::kCPU, at::kDouble), b = y.to(at::kCPU, at::kDouble);
  return PairBlock({0, a.size(0)}, {0, b.size(0)}, a, b, a.square().sum(1, true), b.square().sum(1).unsqueeze(0))
      .distances();
}

at::Tensor without_diagonal(const at::Tensor& distances) {
  return distances.clone().fill_diagonal_(std::numeric_limits<double>::infinity());
}

NearestNeighbours::NearestNeighbours(int64_t count, int64_t k)
    : k_(k), nearest_(at::full({count, k}, std::numeric_limits<float>::infinity(), at::kFloat)) {}

void NearestNeighbours::add(int64_t row, const at::Tensor& block) {
  at::Tensor rows = nearest_.narrow(0, row, block.size(0));
  const at::Tensor candidates = at::cat({rows, block}, 1);
  rows.copy_(std::get<0>(candidates.topk(k_, 1, /*largest=*/false)));
}

void NearestNeighbours::merge(const at::Tensor& others) {
  const at::Tensor all = others.permute({1, 0, 2}).reshape({nearest_.size(0), -1});
  nearest_.copy_(std::get<0>(all.topk(k_, 1, /*largest=*/false)));
}

at::Tensor NearestNeighbours::radii() const { return nearest_.amax(1); }

namespace {

// [count, k] float32, ascending. **Collective.**
at::Tensor nearest_distances(dist::Communicator& comm, const FeatureBlocks& set, int64_t k) {
  NearestNeighbours neighbours(set.count, k);
  for_each_product(
      comm, set, set, Pairs::unordered,
      [&](const PairBlock& block) {
        if (block.rows == block.columns) {
          neighbours.add(block.rows.begin, without_diagonal(block.distances()));
          return;
        }
        neighbours.add(block.columns.begin, block.distances().t());
        neighbours.add(block.rows.begin, block.distances());
      },
      "nearest neighbours");
  if (comm.ranks() > 1) {
    at::Tensor all = at::zeros({comm.ranks(), set.count, k}, at::kFloat);
    all[comm.rank()].copy_(neighbours.nearest());
    comm.all_reduce(all);
    neighbours.merge(all);
  }
  return neighbours.nearest();
}

}  // namespace

at::Tensor neighbour_radii(dist::Communicator& comm, const FeatureBlocks& set, int64_t k) {
  return nearest_distances(comm, set, k).amax(1);
}

at::Tensor neighbour_radii(dist::Communicator& comm, const SetFeatures& set, int64_t count, int64_t k) {
  constexpr int64_t usual = 5;  // the most that metrics ask for by default
  count = std::min(count, set.rows.count);
  ensure(count > k, "no {}-th neighbour among {} rows", k, count);
  at::Tensor& nearest = (*set.nearest)[count];
  if (!nearest.defined() || nearest.size(1) < k)
    nearest = nearest_distances(comm, set.rows.first(count), std::min(k == 1 ? k : std::max(k, usual), count - 1));
  return nearest.select(1, k - 1).contiguous();
}

std::string no_neighbours_why(const SetFeatures& own, const SetFeatures& real, int64_t count, int64_t k) {
  for (const SetFeatures* set : {&own, &real})
    if (std::min(count, set->rows.count) <= k) return fmt::format("{} has no more than k = {} samples", set->name, k);
  return {};
}

}  // namespace ddls::metrics
