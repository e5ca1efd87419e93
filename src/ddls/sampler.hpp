#pragma once
// Runs a method over blocks of chains. Single-process code: ranks share work by taking different blocks.
#include <functional>
#include <span>
#include <vector>

#include "ddls/method.hpp"
#include "ddls/sample_store.hpp"

namespace ddls {

// Which steps are recorded (curves, trajectories) and stored whole (snapshots). Step 0 is the start, step N the end.
struct RecordPlan {
  std::vector<int64_t> records, snapshots;
  int64_t trajectories = 0;  // chains 0 .. t-1 keep all their records
};
RecordPlan plan_records(const SampleConfig& config, int64_t steps);

// Called after every step of a block: blocks done before, the block's step. May throw to stop.
using SamplerProgress = std::function<void(int64_t blocks_done, int64_t step)>;

// One block from its prior draws to its last step. Computes block.padded, returns block.ids.
BlockResult run_block(const Method& method, const Target& target, const Noise& noise, const Block& block,
                      const RecordPlan& plan, const std::function<void(int64_t step)>& after_step = {});

// Every block of `mine` that the store lacks. Returns false if `stop()` ended it early, between two blocks.
bool run_blocks(const Method& method, const Target& target, const Noise& noise, std::span<const Block> mine,
                const RecordPlan& plan, SampleStore& store, const SamplerProgress& progress,
                const std::function<bool()>& stop);

}  // namespace ddls
