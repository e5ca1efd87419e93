#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/files.hpp"
#include "base/log.hpp"
#include "base/progress.hpp"
#include "base/stop_signal.hpp"
#include "base/stopwatch.hpp"
#include "base/work_claims.hpp"
#include "pipeline/sampling_job.hpp"

namespace ddls::pipeline {
namespace {

constexpr std::chrono::milliseconds between_looks{500};

// The blocks of one method, and this process's way through them.
struct OpenBlocks {
  SamplingJob job;
  WorkClaims claims;
  std::vector<Block> open;                                                // not there when they were last looked for
  int64_t made = 0;                                                       // by this process
  std::string part = fmt::format("free-{:08x}", std::random_device{}());  // of what keep_time keeps

  explicit OpenBlocks(SamplingJob&& of)
      : job(std::move(of)), claims(job.blocks_folder()), open(job.plan.blocks_of(0, 1)) {
    // Processes that start together begin at different blocks.
    std::minstd_rand place(std::random_device{}());
    std::rotate(open.begin(), open.begin() + static_cast<int64_t>(place() % open.size()), open.end());
  }
};

// `progress` begins with the first block of a pass that is made here.
void make_block(Run& run, OpenBlocks& blocks, const Block& block, const TrainedTarget& trained,
                std::optional<Progress>& progress) {
  SamplingJob& job = blocks.job;
  const Stopwatch watch;
  const bool first = !job.method;
  if (first) prepare_method(run, job, trained, blocks.open);
  const int64_t steps = std::max<int64_t>(job.method->steps, 1), all = job.plan.blocks();
  const int64_t there = all - static_cast<int64_t>(blocks.open.size());
  if (!progress) progress.emplace(job.name, all * steps, 0, run.comm.root());
  const bool completed = run.comm.together([&] {
    return run_blocks(run, job, std::span(&block, 1), [&](int64_t done, int64_t step) {
      progress->update((there + done) * steps + step, fmt::format("block {} of {}", block.index + 1, all));
    });
  });
  if (!completed) all_stopped(job);
  ++blocks.made;
  keep_time(job, blocks.part, {watch.seconds(), first ? job.warmup_seconds : 0});
}

// Whether the block is there now: made by another process, or here. Not where another is at it.
bool comes_to_be(Run& run, OpenBlocks& blocks, const Block& block, const TrainedTarget& trained,
                 std::optional<Progress>& progress) {
  const SamplingJob& job = blocks.job;
  if (job.store.has(block)) return true;
  const std::string name = fmt::format("{:06}", block.index);
  if (!blocks.claims.take(name)) return false;
  if (const std::string& from = blocks.claims.taken_from(); !from.empty())
    log::warning("{}: block {} was that of {}, which is lost; it is made here", job.name, block.index + 1, from);
  // It may have come while the claim was taken.
  if (!job.store.has(block)) make_block(run, blocks, block, trained, progress);
  blocks.claims.release(name);
  return true;
}

// One pass over the open blocks; those that another process is at stay open.
void make_free_blocks(Run& run, OpenBlocks& blocks, const TrainedTarget& trained) {
  std::optional<Progress> progress;
  if (!fs::exists(blocks.job.blocks_folder())) return blocks.open.clear();  // put together by a later job
  const std::vector<Block> before = blocks.open;
  for (const Block& block : before) {
    if (stop_signal::requested()) all_stopped(blocks.job);
    if (comes_to_be(run, blocks, block, trained, progress))
      std::erase_if(blocks.open, [&](const Block& one) { return one.index == block.index; });
  }
}

}  // namespace

void sample_free_blocks(Run& run, const TrainedTarget& trained) {
  keep_partial_files_apart();
  std::vector<std::unique_ptr<OpenBlocks>> methods;
  for (const std::string& name : run.config.sample.methods) {
    SamplingJob job = open_job(run, name, trained);
    if (job.store.finished()) {
      log::info("{}: complete ({} samples, from an earlier run)", name, job.plan.count);
      continue;
    }
    methods.push_back(std::make_unique<OpenBlocks>(std::move(job)));
  }
  for (auto& one : methods) make_free_blocks(run, *one, trained);
  // What others are at still: theirs, unless they are lost.
  for (auto& one : methods) {
    for (; !one->open.empty(); std::this_thread::sleep_for(between_looks)) {
      make_free_blocks(run, *one, trained);
      if (stop_signal::requested() && !one->open.empty()) all_stopped(one->job);
    }
    log::info("{}: all {} blocks are there, {} of them made here; `ddls_dist sample` puts them together", one->job.name,
              one->job.plan.blocks(), one->made);
  }
}

}  // namespace ddls::pipeline
