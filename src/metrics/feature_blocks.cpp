#include "metrics/feature_blocks.hpp"

#include <ATen/ATen.h>

#include <algorithm>

#include "metrics/long_work.hpp"

namespace ddls::metrics {
namespace {

// The rank that has each block: the inverse of BlockPlan::blocks_of.
std::vector<int> owners_of(const BlockPlan& plan, int ranks) {
  std::vector<int> owners;
  for (int rank = 0; rank < ranks; ++rank) owners.insert(owners.end(), plan.blocks_of(rank, ranks).size(), rank);
  return owners;
}

// Of the two ranks that could compute the pair {i, j}, a checkerboard chooses: both get half of their pairs.
bool row_side_computes(int64_t i, int64_t j) { return i == j || (i < j) == ((i + j) % 2 == 0); }

}  // namespace

IdRange FeatureBlocks::ids_of(int64_t block) const {
  const int64_t begin = block * plan.block_size;
  return {begin, std::min(begin + plan.block_size, count)};
}

at::Tensor FeatureBlocks::own_rows(int64_t block) const {
  const int64_t at = block - first_own;
  if (at < 0 || at >= static_cast<int64_t>(own.size())) return {};
  return own[static_cast<size_t>(at)].narrow(0, 0, ids_of(block).size());
}

std::vector<int64_t> FeatureBlocks::own_blocks() const {
  std::vector<int64_t> all;
  for (int64_t block = first_own; block < std::min(first_own + static_cast<int64_t>(own.size()), blocks()); ++block)
    all.push_back(block);
  return all;
}

FeatureBlocks FeatureBlocks::first(int64_t rows) const {
  FeatureBlocks some = *this;
  some.count = std::min(rows, count);
  return some;
}

void for_each_pair(dist::Communicator& comm, const FeatureBlocks& rows, const FeatureBlocks& columns, Pairs pairs,
                   const std::function<void(const BlockOfRows& row, const BlockOfRows& column)>& use,
                   const std::string& title) {
  LongWork work(title, columns.blocks(), comm.root());
  const std::vector<int> owners = owners_of(columns.plan, comm.ranks());
  for (int64_t j = 0; j < columns.blocks(); ++j) {
    BlockOfRows column{j, columns.ids_of(j), columns.own_rows(j)};
    if (!column.rows.defined()) column.rows = at::empty({column.ids.size(), columns.features}, at::kFloat);
    comm.broadcast(column.rows, owners[static_cast<size_t>(j)]);
    for (const int64_t i : rows.own_blocks())
      if (pairs == Pairs::all || row_side_computes(i, j)) use({i, rows.ids_of(i), rows.own_rows(i)}, column);
    work.step();
  }
}

at::Tensor mapped_rows(dist::Communicator& comm, const FeatureBlocks& rows, int64_t columns,
                       const std::function<at::Tensor(const at::Tensor& rows)>& of_block) {
  at::Tensor all = at::zeros({rows.count, columns}, at::kDouble);
  for (const int64_t block : rows.own_blocks()) {
    const IdRange ids = rows.ids_of(block);
    all.narrow(0, ids.begin, ids.size()).copy_(of_block(rows.own_rows(block)));
  }
  if (comm.ranks() > 1) comm.all_reduce(all);  // every row comes from one rank, the others add zeros
  return all;
}

at::Tensor gather_rows_by_id(dist::Communicator& comm, const FeatureBlocks& blocks, const at::Tensor& ids) {
  at::Tensor rows = at::zeros({ids.size(0), blocks.features}, at::kFloat);
  const auto* const id = ids.const_data_ptr<int64_t>();
  auto* const to = rows.mutable_data_ptr<float>();
  for (int64_t i = 0; i < ids.size(0); ++i) {
    const int64_t own = id[i] / blocks.plan.block_size - blocks.first_own;
    if (own < 0 || own >= static_cast<int64_t>(blocks.own.size())) continue;
    const at::Tensor& block = blocks.own[static_cast<size_t>(own)];
    const float* const from = block.const_data_ptr<float>() + (id[i] % blocks.plan.block_size) * blocks.features;
    std::copy_n(from, blocks.features, to + i * blocks.features);
  }
  if (comm.ranks() > 1) comm.all_reduce(rows);  // every row comes from one rank, the others add zeros
  return rows;
}

}  // namespace ddls::metrics
