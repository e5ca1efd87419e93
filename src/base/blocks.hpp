#pragma once
// Work is described by ids: chain i, image i. Ids are cut into blocks of a fixed size, and whole blocks are dealt to
// ranks, so that what is computed for an id never depends on the number of ranks.
#include <cstdint>
#include <vector>

namespace ddls {

struct IdRange {
  int64_t begin = 0, end = 0;
  int64_t size() const { return end - begin; }
  bool operator==(const IdRange&) const = default;
};

struct Block {
  int64_t index = 0;
  IdRange ids;     // the ids that count; fewer than block_size in the last block
  IdRange padded;  // always block_size ids: what is computed, so that every network sees one batch shape
};

// What of the work a job does that others share: one of `count` equal parts, or whatever no other is at
// (work_claims.hpp).
struct Shard {
  int64_t index = 0, count = 1;
  bool free = false;
  bool partial() const { return count > 1 || free; }
};

struct BlockPlan {
  int64_t count = 0, block_size = 1;

  int64_t blocks() const { return (count + block_size - 1) / block_size; }
  Block block(int64_t index) const;
  // A contiguous, balanced share (sizes differ by at most one) of the shard's blocks, which are such a share of all;
  // empty where ranks outnumber blocks.
  std::vector<Block> blocks_of(int rank, int ranks, const Shard& shard = {}) const;
};

}  // namespace ddls
