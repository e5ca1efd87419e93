#include "metrics/pair_metrics.hpp"

#include <ATen/ATen.h>

#include <limits>

#include "metrics/kid.hpp"

namespace ddls {
namespace {

double sum_over_ranks(Communicator& comm, double mine) {
  at::Tensor sum = at::scalar_tensor(mine, at::kDouble).view({1});
  comm.all_reduce(sum);
  return sum.item<double>();
}

}  // namespace

double kernel_sum_within(Communicator& comm, const FeatureBlocks& set) {
  double sum = 0;
  for_each_pair(comm, set, set, Pairs::unordered, [&](const BlockOfRows& a, const BlockOfRows& b) {
    sum += a.block == b.block ? kernel_sum_off_diagonal(a.rows) : 2 * kernel_sum(a.rows, b.rows);
  });
  return sum_over_ranks(comm, sum);
}

double kid_unbiased(Communicator& comm, const FeatureBlocks& fake, const FeatureBlocks& real, double real_within) {
  double cross = 0;
  for_each_pair(comm, fake, real, Pairs::all,
                [&](const BlockOfRows& a, const BlockOfRows& b) { cross += kernel_sum(a.rows, b.rows); });
  const KernelSums sums{kernel_sum_within(comm, fake), real_within, sum_over_ranks(comm, cross)};
  return squared_mmd(sums, fake.count, real.count);
}

MeanStd kid_by_subsets(Communicator& comm, const FeatureBlocks& fake, const FeatureBlocks& real,
                       const KidConfig& config) {
  const std::vector<KidSubset> subsets = draw_kid_subsets(fake.count, real.count, config.subsets, config.subset_size);
  at::Tensor values = at::zeros({config.subsets}, at::kDouble);
  const auto ranks = static_cast<size_t>(comm.ranks());
  for (size_t from = 0; from < subsets.size(); from += ranks) {
    at::Tensor x, y;  // of the one subset of this round that is mine
    const size_t mine = from + static_cast<size_t>(comm.rank());
    for (size_t i = from; i < std::min(from + ranks, subsets.size()); ++i) {
      const at::Tensor fake_rows = gather_rows_by_id(comm, fake, subsets[i].fake);
      const at::Tensor real_rows = gather_rows_by_id(comm, real, subsets[i].real);
      if (i == mine) {
        x = fake_rows;
        y = real_rows;
      }
    }
    if (!x.defined()) continue;
    const KernelSums sums{kernel_sum_off_diagonal(x), kernel_sum_off_diagonal(y), kernel_sum(x, y)};
    values[static_cast<int64_t>(mine)] = squared_mmd(sums, x.size(0), y.size(0));
  }
  comm.all_reduce(values);
  return {values.mean().item<double>(), values.std(/*unbiased=*/false).item<double>()};
}

at::Tensor neighbour_radii(Communicator& comm, const FeatureBlocks& set, int64_t k) {
  NearestNeighbours neighbours(set.count, k);
  for_each_pair(comm, set, set, Pairs::unordered, [&](const BlockOfRows& a, const BlockOfRows& b) {
    at::Tensor block = distances(a.rows, b.rows);
    if (a.block == b.block) {
      block.fill_diagonal_(std::numeric_limits<double>::infinity());
    } else {
      neighbours.add(b.ids.begin, block.t());
    }
    neighbours.add(a.ids.begin, block);
  });
  if (comm.ranks() > 1) {
    at::Tensor all = at::zeros({comm.ranks(), set.count, k}, at::kFloat);
    all[comm.rank()].copy_(neighbours.nearest());
    comm.all_reduce(all);
    neighbours.merge(all);
  }
  return neighbours.radii();
}

Prdc prdc_of(Communicator& comm, const FeatureBlocks& fake, const FeatureBlocks& real, const at::Tensor& fake_radii,
             const at::Tensor& real_radii, int64_t k) {
  PrdcCounts counts(real_radii, fake_radii);
  for_each_pair(comm, real, fake, Pairs::all, [&](const BlockOfRows& a, const BlockOfRows& b) {
    counts.add(a.ids.begin, b.ids.begin, distances(a.rows, b.rows));
  });
  comm.all_reduce(counts.counts());
  return counts.result(k);
}

}  // namespace ddls
