#include "base/blocks.hpp"

#include <algorithm>

#include "base/error.hpp"

namespace ddls {

Block BlockPlan::block(int64_t index) const {
  ensure(index >= 0 && index < blocks(), "block {} of {}", index, blocks());
  const int64_t begin = index * block_size;
  return {index, {begin, std::min(begin + block_size, count)}, {begin, begin + block_size}};
}

std::vector<Block> BlockPlan::blocks_of(int rank, int ranks, const Shard& shard) const {
  const int64_t first = blocks() * shard.index / shard.count, last = blocks() * (shard.index + 1) / shard.count;
  std::vector<Block> mine;
  for (int64_t i = first + (last - first) * rank / ranks; i < first + (last - first) * (rank + 1) / ranks; ++i)
    mine.push_back(block(i));
  return mine;
}

}  // namespace ddls
