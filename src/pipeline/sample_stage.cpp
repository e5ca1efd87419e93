#include <ATen/ATen.h>

#include <algorithm>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/json_text.hpp"
#include "base/log.hpp"
#include "base/progress.hpp"
#include "base/stop_signal.hpp"
#include "base/stopwatch.hpp"
#include "ddls/curve_file.hpp"
#include "ddls/methods/ula.hpp"
#include "ddls/registry.hpp"
#include "ddls/sampler.hpp"
#include "dist/failure.hpp"
#include "pipeline/energy_stage.hpp"
#include "pipeline/sampling_job.hpp"
#include "pipeline/stages.hpp"
#include "tensor/npz.hpp"
#include "tensor/tf32.hpp"
#include "train/step_record.hpp"

namespace ddls::pipeline {
namespace {

// The curves of the chains into the run's log, as phase "sample/METHOD".
void log_curves(Run& run, const std::string& method) {
  const std::string phase = "sample/" + method;
  run.log.resume(phase, -1);
  for (const Json& line : sampling::read_curves(run.samples_of(method))) {
    std::vector<train::NamedValue> values;
    for (const auto& [name, value] : line.items())
      if (name != "step" && value.is_number()) values.push_back({name, value.get<double>()});
    run.log.record(phase, line["step"].get<int64_t>(), values);
  }
}

// Runs the rank's blocks; false where one of the ranks was stopped by a signal. Collective.
bool run_mine(Run& run, SamplingJob& job, const std::vector<Block>& mine) {
  const int64_t per_block = std::max<int64_t>(job.method->steps, 1);
  Progress progress(job.name, static_cast<int64_t>(mine.size()) * per_block, 0, run.comm.root());
  dist::StepClock clock;
  int64_t steps = 0;
  const bool completed = run.comm.together([&] {
    clock.begin();
    const bool all = run_blocks(run, job, mine, [&](int64_t blocks, int64_t step) {
      ++steps;
      progress.update(blocks * per_block + step,
                      fmt::format("block {} of {}", std::min<int64_t>(blocks + 1, mine.size()), mine.size()));
    });
    clock.end(steps);
    return all;
  });
  const bool stopped = run.comm.any(!completed);
  if (!stopped) progress.finish();
  if (run.writes()) train::note_step_times("sample/" + job.name, clock, true, run.log, run.comm);
  return !stopped;
}

// Returns the seconds that earlier jobs spent on these samples.
double sample_method(Run& run, const std::string& name, const TrainedTarget& trained) {
  dist::Communicator& comm = run.comm;
  SamplingJob job = open_job(run, name, trained);
  const bool finished = comm.on_root([&] {
    if (run.resume != train::Resume::never && job.store.finished()) return true;
    run.log.work_begins();
    if (run.resume == train::Resume::never) fs::remove_all(job.store.folder());
    if (run.writes())
      job.store.prepare();
    else
      make_folder(job.blocks_folder());
    return false;
  });
  if (finished) {
    log::info("{}: complete ({} samples, from an earlier run)", name, job.plan.count);
    return 0;
  }

  const Stopwatch watch;
  const std::vector<Block> mine = job.plan.blocks_of(comm.rank(), comm.ranks(), run.shard);
  prepare_method(run, job, trained, mine);
  if (comm.root() && job.plan.blocks() < comm.ranks() * run.shard.count)
    log::warning("{} blocks for {} ranks: some have no chains (sample.block_size {})", job.plan.blocks(),
                 comm.ranks() * run.shard.count, job.plan.block_size);

  const bool completed = run_mine(run, job, mine);
  sampling::SamplingTime time{watch.seconds(), job.warmup_seconds};
  const std::string part = fmt::format("{}-of-{}", run.shard.index, run.shard.count);
  if (!completed || run.shard.partial()) comm.on_root([&] { keep_time(job, part, time); });
  if (!completed) all_stopped(job);
  if (run.shard.partial()) {
    log::info("{}: part {} of {} is complete; `ddls_dist sample` puts the parts together", name, run.shard.index,
              run.shard.count);
    return 0;
  }
  sampling::SamplingTime earlier;
  comm.on_root([&] {
    earlier = kept_time(job);
    time = {time.seconds + earlier.seconds, time.warmup_seconds + earlier.warmup_seconds};
    job.store.assemble(*job.method, job.records.records, time, run.train.class_names);
    log_curves(run, name);
  });
  return earlier.seconds;
}

// A few chains at several step sizes, every step kept: what the step size does to a path. Points only.
void sweep(Run& run, const TrainedTarget& trained) {
  if (run.config.sample.sweep.empty() || run.train.images()) return;
  run.comm.on_root([&] {
    constexpr int64_t chains = 8, most_steps = 200;
    const fs::path folder = run.folder / "samples" / "sweep";
    config::SampleConfig options = run.config.sample;
    options.record_every = 1;
    options.snapshot_every = 0;
    sampling::UlaOptions& ula = options.options_of("ddls").as<sampling::UlaOptions>();
    ula.step_size_end = 0;
    ula.steps = std::min(ula.steps, most_steps);
    const Json key{{"weights", hex64(trained.digest)},
                   {"seed", run.config.seed},
                   {"step_sizes", options.sweep},
                   {"steps", ula.steps}};
    const std::string key_text = json_text(key) + "\n";
    if (fs::exists(folder / "key.json") && read_file(folder / "key.json") == key_text) return;
    fs::remove_all(folder);
    make_folder(folder);
    const tensor::Noise noise{run.config.seed};
    for (size_t i = 0; i < options.sweep.size(); ++i) {
      ula.step_size = options.sweep[i];
      const sampling::Method method = sampling::make_method("ddls", options, trained.target, noise);
      const sampling::RecordPlan plan{sampling::plan_records(options, method.steps).records, {}, chains};
      const sampling::BlockResult result =
          *sampling::run_block(method, trained.target, noise, BlockPlan{chains, chains}.block(0), plan);
      tensor::write_npz(folder / fmt::format("step-size-{}.npz", i),
                        {{"latents", result.trajectory_latents},
                         {"samples", result.trajectory_samples},
                         {"step_size", at::full({1}, ula.step_size, at::kDouble)}});
    }
    write_file(folder / "key.json", key_text);
  });
}

}  // namespace

void sample_stage(Run& run, const TrainedTarget& trained) {
  refuse_bad_energy(run, judge_energy(run, trained));
  const Stopwatch watch;
  const tensor::Tf32 tf32(run.config.sample.precision == "tf32");
  if (run.shard.free) return sample_free_blocks(run, trained);
  double earlier = 0;
  for (const std::string& name : run.config.sample.methods) earlier += sample_method(run, name, trained);
  if (run.shard.partial()) return;
  sweep(run, trained);
  note_seconds(run, "sample", earlier + watch.seconds());
}

}  // namespace ddls::pipeline
