#pragma once
// One method of a run on its way to a samples folder: its blocks, where they go, and the method once it is prepared.
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/blocks.hpp"
#include "ddls/method.hpp"
#include "ddls/recorder.hpp"
#include "ddls/sample_store.hpp"
#include "ddls/sampler.hpp"
#include "pipeline/stages.hpp"

namespace ddls::pipeline {

struct SamplingJob {
  std::string name;
  BlockPlan plan;
  sampling::SampleKey key;
  sampling::SampleStore store;
  // From prepare_method:
  sampling::Target target = {};
  std::optional<sampling::Method> method = {};
  sampling::RecordPlan records = {};
  double warmup_seconds = 0;

  std::filesystem::path blocks_folder() const { return store.folder() / "blocks"; }
};

SamplingJob open_job(const Run& run, const std::string& name, const TrainedTarget& trained);

// **Collective.** The method after its warm-up, which the ranks share, and what is recorded of `mine`, the rank's
// blocks. CollectiveError(stopped) where a signal ended the warm-up.
void prepare_method(Run& run, SamplingJob& job, const TrainedTarget& trained, const std::vector<Block>& mine);

// Those of the blocks that the store lacks; false where a signal ended it early. Not collective.
bool run_blocks(const Run& run, SamplingJob& job, std::span<const Block> blocks,
                const sampling::SamplerProgress& progress);
// **Collective.** Throws CollectiveError(stopped).
[[noreturn]] void all_stopped(const SamplingJob& job);

// What was spent on blocks that another job puts together: seconds of a shard, or of a start that was stopped, beside
// the blocks. Every `part` has a file of its own, to which later starts of it add.
void keep_time(const SamplingJob& job, const std::string& part, sampling::SamplingTime time);
sampling::SamplingTime kept_time(const SamplingJob& job);  // of all parts

// Every method's blocks, as long as there are some that no other process has or is at (work_claims.hpp), then those of
// processes that are lost, until all are there. For one rank alone. CollectiveError(stopped) after a signal.
void sample_free_blocks(Run& run, const TrainedTarget& trained);

}  // namespace ddls::pipeline
