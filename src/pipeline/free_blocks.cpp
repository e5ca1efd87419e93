#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/log.hpp"
#include "base/progress.hpp"
#include "base/stop_signal.hpp"
#include "base/stopwatch.hpp"
#include "base/work_claims.hpp"
#include "ddls/sampler.hpp"
#include "dist/failure.hpp"
#include "pipeline/sampling_job.hpp"
#include "tensor/noise.hpp"

namespace ddls::pipeline {
namespace {

constexpr std::chrono::milliseconds between_looks{500};

// The blocks of one method, and this process's way through them.
struct OpenBlocks {
  SamplingJob job;
  WorkClaims claims;
  std::vector<Block> open;  // not there when they were last looked for
  int64_t made = 0;         // by this process
  double seconds = 0;

  OpenBlocks(SamplingJob&& of, const Run& run)
      : job(std::move(of)), claims(job.blocks_folder()), open(job.plan.blocks_of(0, 1)) {
    // Processes that start together begin at different blocks.
    std::minstd_rand place(std::random_device{}());
    std::rotate(open.begin(), open.begin() + static_cast<int64_t>(place() % open.size()), open.end());
    std::erase_if(open, [&](const Block& block) { return run.resume != train::Resume::never && job.store.has(block); });
  }
};

[[noreturn]] void stop(const OpenBlocks& blocks) {
  dist::all_fail(Exit::stopped, "{}: stopped by a signal; finished blocks are kept, start again to go on",
                 blocks.job.name);
}

void make_block(Run& run, OpenBlocks& blocks, const Block& block, Progress& progress) {
  SamplingJob& job = blocks.job;
  const int64_t steps = std::max<int64_t>(job.method->steps, 1), all = job.plan.blocks();
  const int64_t there = all - static_cast<int64_t>(blocks.open.size());
  const bool completed = run.comm.together([&] {
    return sampling::run_blocks(
        *job.method, job.target, tensor::Noise{run.config.seed}, std::span(&block, 1), job.records, job.store,
        [&](int64_t done, int64_t step) {
          progress.update((there + done) * steps + step, fmt::format("block {} of {}", block.index + 1, all));
        },
        [] { return stop_signal::requested(); }, run.config.sample.checkpoint_every);
  });
  if (!completed) stop(blocks);
  ++blocks.made;
}

// One pass over the open blocks; those that another process is at stay open.
void make_free_blocks(Run& run, OpenBlocks& blocks, const TrainedTarget& trained) {
  SamplingJob& job = blocks.job;
  const Stopwatch watch;
  std::optional<Progress> progress;
  if (!fs::exists(job.blocks_folder())) return blocks.open.clear();  // put together by a later job
  const std::vector<Block> before = blocks.open;
  for (const Block& block : before) {
    if (stop_signal::requested()) stop(blocks);
    const std::string name = fmt::format("{:06}", block.index);
    const auto is_there = [&] { return job.store.has(block); };
    const bool made = is_there() || [&] {
      if (!blocks.claims.take(name)) return false;
      if (const std::string& from = blocks.claims.taken_from(); !from.empty())
        log::warning("{}: block {} was that of {}, which is lost; it is made here", job.name, block.index + 1, from);
      if (!is_there()) {  // or it came while the claim was taken
        if (!job.method) prepare_method(run, job, trained, before);
        if (!progress)
          progress.emplace(job.name, job.plan.blocks() * std::max<int64_t>(job.method->steps, 1), 0, run.comm.root());
        make_block(run, blocks, block, *progress);
      }
      blocks.claims.release(name);
      return true;
    }();
    if (made) std::erase_if(blocks.open, [&](const Block& one) { return one.index == block.index; });
  }
  blocks.seconds += watch.seconds();
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
    make_folder(job.blocks_folder());
    methods.push_back(std::make_unique<OpenBlocks>(std::move(job), run));
  }
  for (auto& one : methods) make_free_blocks(run, *one, trained);
  // What others are at still: theirs, unless they are lost.
  for (auto& one : methods) {
    for (; !one->open.empty(); std::this_thread::sleep_for(between_looks)) {
      make_free_blocks(run, *one, trained);
      if (stop_signal::requested() && !one->open.empty()) stop(*one);
    }
    const std::string part = fmt::format("free-{:08x}", std::random_device{}());
    if (one->made > 0) keep_time(one->job, part, {one->seconds, one->job.warmup_seconds});
    log::info("{}: all {} blocks are there, {} of them made here; `ddls_dist sample` puts them together", one->job.name,
              one->job.plan.blocks(), one->made);
  }
}

}  // namespace ddls::pipeline
