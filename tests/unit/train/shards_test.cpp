#include "train/shards.hpp"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/blocks.hpp"
#include "base/files.hpp"
#include "config/load.hpp"
#include "scratch_folder.hpp"
#include "train/checkpoint.hpp"
#include "train/training_key.hpp"

namespace ddls::train::shards_test {
namespace {

int64_t chosen(std::vector<int64_t> batches, int64_t ranks) { return choose_shards(batches, ranks); }

TEST(Shards, OneToFourRanksHaveOneNumber) {
  for (const int64_t batch : {4, 16, 64, 100, 250, 256, 7, 6, 1}) {
    for (int64_t ranks = 2; ranks <= 4; ++ranks) EXPECT_EQ(chosen({batch}, ranks), chosen({batch}, 1)) << batch;
    if (batch % 4 == 0) {
      EXPECT_EQ(chosen({batch}, 1), 4) << batch;
    }
  }
  EXPECT_EQ(chosen({250}, 1), 5);
  EXPECT_EQ(chosen({7}, 1), 7);
  EXPECT_EQ(chosen({6}, 1), 6);
  EXPECT_EQ(chosen({1}, 1), 1);
}

TEST(Shards, EveryRankHasWorkAsFarAsTheBatchesGo) {
  for (int64_t ranks = 1; ranks <= 64; ++ranks) {
    for (const std::vector<int64_t>& batches : {std::vector<int64_t>{256, 128, 512, 64}, {64}, {960, 192}}) {
      const int64_t shards = choose_shards(batches, ranks);
      for (const int64_t batch : batches) ASSERT_EQ(batch % shards, 0) << batch << " in " << shards;
      EXPECT_GE(shards, ranks);
      for (int rank = 0; rank < ranks; ++rank) {
        const BlockPlan plan{batches[0], batches[0] / shards};
        EXPECT_FALSE(plan.blocks_of(rank, static_cast<int>(ranks)).empty()) << "rank " << rank << " of " << ranks;
      }
    }
  }
  EXPECT_EQ(chosen({256, 128, 64}, 8), 8);
  EXPECT_EQ(chosen({240}, 6), 6);
  EXPECT_EQ(chosen({256}, 5), 8);      // five do not divide
  EXPECT_EQ(chosen({64, 24}, 16), 8);  // no more can be had
}

TEST(Shards, AutoCutsTheBatchesOfAllPhases) {
  config::Config config;
  config.train.batch = config.train.ratio.batch = config.train.ratio.refine.batch = config.train.classifier.batch = 96;
  config.train.ratio.refine.chains = 192;
  const auto resolved = [&](int64_t ranks) {
    config.train.shards = config::automatic_shards;
    resolve_shards(config, ranks);
    EXPECT_TRUE(config::check(config).empty()) << ranks;  // so config.yaml can be read again
    return config.train.shards;
  };
  EXPECT_EQ(resolved(6), 6);
  EXPECT_EQ(resolved(3), 4);
  config.train.generator_batch = 32;
  EXPECT_EQ(resolved(6), 8);
  config.train.generator_batch = 0;
  config.train.classifier.batch = 40;
  EXPECT_EQ(resolved(6), 8);
  EXPECT_EQ(resolved(9), 8);  // no more can be had
}

TEST(Shards, WhatIsGivenOrBegunStays) {
  config::Config config;
  config.train.shards = 2;
  resolve_shards(config, 8, 4);
  EXPECT_EQ(config.train.shards, 2);
  config.train.shards = 0;
  resolve_shards(config, 8, 4);
  EXPECT_EQ(config.train.shards, 0);
  for (const int64_t ranks : {1, 4, 8}) {
    config.train.shards = config::automatic_shards;
    resolve_shards(config, ranks, 16);
    EXPECT_EQ(config.train.shards, 16);
  }
  config.train.shards = config::automatic_shards;
  resolve_shards(config, 8, 0);  // one per rank is no number to keep: the keys differ, and say so
  EXPECT_EQ(config.train.shards, 8);
}

TEST(Shards, OfARunAreInItsCheckpoints) {
  const test::ScratchFolder scratch;
  const fs::path folder = scratch.path() / "checkpoints";
  EXPECT_EQ(shards_of_checkpoints(folder), std::nullopt);
  make_folder(folder / "step-00000001.partial");
  make_folder(folder / "step-00000002");
  write_file(folder / "step-00000002" / "state.json", "{broken");
  EXPECT_EQ(shards_of_checkpoints(folder), std::nullopt);
  config::Config config;
  for (const int64_t shards : {4, 16, 0}) {
    config.train.shards = shards;
    Checkpoint checkpoint;
    checkpoint.state["step"] = 3;
    checkpoint.state["key"] = gan_key(config, 1);
    write_checkpoint(folder / "step-00000003", checkpoint);
    EXPECT_EQ(shards_of_checkpoints(folder), shards);
  }
}

}  // namespace
}  // namespace ddls::train::shards_test
