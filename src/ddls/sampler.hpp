#pragma once
// Runs a method over blocks of chains. Single-process code: ranks share work by taking different blocks.
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "ddls/method.hpp"
#include "ddls/recorder.hpp"
#include "ddls/sample_store.hpp"

namespace ddls::sampling {

// Called after every step of a block: blocks done before, the block's step. May throw to stop.
using SamplerProgress = std::function<void(int64_t blocks_done, int64_t step)>;

// How a block survives: its whole state, every so many steps and when it is asked to stop.
struct BlockSurvival {
  int64_t every = 0;  // steps; 0: the block is not saved
  std::function<void(const tensor::NamedTensors& state)> save = {};
  std::optional<tensor::NamedTensors> resume = {};  // what `save` got
  std::function<bool()> stop = {};                  // asked after every step
};

// One block from its prior draws, or from a saved state, to its last step. Computes block.padded, returns block.ids. A
// chain that leaves the finite numbers starts anew from a prior draw of its own (id, step), and that is logged. Throws
// Error(config) when there were more such starts than chains. Returns nothing where `stop` ended it early.
std::optional<BlockResult> run_block(const Method& method, const Target& target, const tensor::Noise& noise,
                                     const Block& block, const RecordPlan& plan,
                                     const std::function<void(int64_t step)>& after_step = {},
                                     const BlockSurvival& survival = {});

// Every block of `mine` that the store lacks; a block is written beside the chains of the next. Returns false if
// `stop()` ended it early: between two blocks, or between two steps with the block's state saved where
// `checkpoint_every` > 0.
bool run_blocks(const Method& method, const Target& target, const tensor::Noise& noise, std::span<const Block> mine,
                const RecordPlan& plan, SampleStore& store, const SamplerProgress& progress,
                const std::function<bool()>& stop, int64_t checkpoint_every = 0);

}  // namespace ddls::sampling
