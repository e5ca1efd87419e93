#include "base/blocks.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"

namespace ddls::blocks_test {
namespace {

TEST(BlockPlan, CoversEachIdOnceInOrderAndEvenly) {
  for (const int64_t count : {0, 1, 2, 7, 20, 99, 100, 101}) {
    for (const int64_t block_size : {1, 3, 8, 20, 200}) {
      for (const int ranks : {1, 2, 3, 4, 7, 64}) {
        SCOPED_TRACE(testing::Message() << count << " ids, blocks of " << block_size << ", " << ranks << " ranks");
        const BlockPlan plan{count, block_size};
        int64_t next_id = 0, next_block = 0, fewest = plan.blocks(), most = 0;
        for (int rank = 0; rank < ranks; ++rank) {
          const std::vector<Block> mine = plan.blocks_of(rank, ranks);
          fewest = std::min<int64_t>(fewest, mine.size());
          most = std::max<int64_t>(most, mine.size());
          for (const Block& block : mine) {
            EXPECT_EQ(block.index, next_block++);
            EXPECT_EQ(block.ids.begin, next_id);
            EXPECT_GT(block.ids.size(), 0);
            EXPECT_EQ(block.padded.begin, block.ids.begin);
            EXPECT_EQ(block.padded.size(), block_size);
            EXPECT_LE(block.ids.end, block.padded.end);
            next_id = block.ids.end;
          }
        }
        EXPECT_EQ(next_id, count);
        EXPECT_EQ(next_block, plan.blocks());
        EXPECT_LE(most - fewest, 1);
      }
    }
  }
}

TEST(BlockPlan, ShardsAndTheirRanksCoverEachBlockOnceInOrder) {
  const BlockPlan plan{101, 3};
  for (const int64_t shards : {1, 2, 3, 5, 40})
    for (const int ranks : {1, 2, 3}) {
      SCOPED_TRACE(testing::Message() << shards << " shards of " << ranks << " ranks");
      int64_t next = 0;
      for (int64_t shard = 0; shard < shards; ++shard)
        for (int rank = 0; rank < ranks; ++rank)
          for (const Block& block : plan.blocks_of(rank, ranks, {shard, shards})) EXPECT_EQ(block.index, next++);
      EXPECT_EQ(next, plan.blocks());
    }
}

TEST(BlockPlan, OnlyTheLastBlockIsShort) {
  const BlockPlan plan{10, 4};
  ASSERT_EQ(plan.blocks(), 3);
  EXPECT_EQ(plan.block(1).ids, (IdRange{4, 8}));
  EXPECT_EQ(plan.block(2).ids, (IdRange{8, 10}));
  EXPECT_EQ(plan.block(2).padded, (IdRange{8, 12}));
}

TEST(BlockPlan, RefusesABlockThatIsNotThere) {
  EXPECT_THROW((BlockPlan{10, 4}.block(3)), Error);
  EXPECT_THROW((BlockPlan{10, 4}.block(-1)), Error);
}

}  // namespace
}  // namespace ddls::blocks_test
