#pragma once
// Features of a set, dealt to the ranks block by block, and the ways to bring rows of two sets together without ever
// holding a set whole: one block is broadcast at a time.
#include <ATen/core/Tensor.h>

#include <functional>
#include <string>
#include <vector>

#include "base/blocks.hpp"
#include "dist/communicator.hpp"

namespace ddls::metrics {

struct FeatureBlocks {
  BlockPlan plan;     // how all rows were dealt
  int64_t count = 0;  // rows that count: the first so many
  int64_t features = 0;
  int64_t first_own = 0;        // index of this rank's first block; its blocks are consecutive
  std::vector<at::Tensor> own;  // [n, features] float32, each an allocation of its own: equal bytes, equal alignment

  int64_t blocks() const { return (count + plan.block_size - 1) / plan.block_size; }
  IdRange ids_of(int64_t block) const;
  at::Tensor own_rows(int64_t block) const;  // undefined where another rank has it
  std::vector<int64_t> own_blocks() const;   // of this rank, those with rows that count
  FeatureBlocks first(int64_t rows) const;   // the first rows alone; shares memory
};

struct BlockOfRows {
  int64_t block = 0;
  IdRange ids;
  at::Tensor rows;
};

enum class Pairs { all, unordered };  // unordered: rows and columns are one set; each unordered pair of blocks once

// Calls `use` for pairs of a block of `rows` and a block of `columns`; every pair on exactly one rank, which rank and
// which order never changes the pair itself. **Collective.** `use` must not communicate. `title`: of the progress that
// long work shows; empty: none.
void for_each_pair(dist::Communicator& comm, const FeatureBlocks& rows, const FeatureBlocks& columns, Pairs pairs,
                   const std::function<void(const BlockOfRows& row, const BlockOfRows& column)>& use,
                   const std::string& title = {});

// What `of_block` makes of each block's rows, [n, features] -> [n, columns], of all rows on every rank: [count,
// columns] float64. **Collective.**
at::Tensor mapped_rows(dist::Communicator& comm, const FeatureBlocks& rows, int64_t columns,
                       const std::function<at::Tensor(const at::Tensor& rows)>& of_block);

// These rows ([n] int64, the same on all ranks) on every rank: [n, features]. **Collective.**
at::Tensor gather_rows_by_id(dist::Communicator& comm, const FeatureBlocks& blocks, const at::Tensor& ids);

}  // namespace ddls::metrics
