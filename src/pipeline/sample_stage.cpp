#include <ATen/ATen.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/json_fields.hpp"
#include "base/json_text.hpp"
#include "base/log.hpp"
#include "base/progress.hpp"
#include "base/stop_signal.hpp"
#include "base/stopwatch.hpp"
#include "config/load.hpp"
#include "ddls/curve_file.hpp"
#include "ddls/graphed.hpp"
#include "ddls/methods/ula.hpp"
#include "ddls/registry.hpp"
#include "ddls/sampler.hpp"
#include "device/device_of.hpp"
#include "dist/failure.hpp"
#include "pipeline/energy_stage.hpp"
#include "pipeline/stages.hpp"
#include "tensor/npz.hpp"
#include "tensor/tf32.hpp"

namespace ddls::pipeline {
namespace {

// Every option of a method, as its section of the configuration: one that is added later cannot be forgotten here.
std::string options_text(const config::SampleConfig& config, const std::string& method) {
  config::Options options = config.options_of(method), initial = options.defaults();
  config::Section own("", ""), defaults("", "");
  options.bind(own);
  initial.bind(defaults);
  return config::print_key(own, defaults);
}

// All that decides the bytes of a method's samples.
sampling::SampleKey key_of(const Run& run, const std::string& method, uint64_t weights) {
  const config::SampleConfig& s = run.config.sample;
  Json key{{"method", method}, {"weights", hex64(weights)},  {"seed", run.config.seed},
           {"count", s.count}, {"block_size", s.block_size}, {"device", device::kind_of(run.comm.topology().device)}};
  add_draw_conditions(key, run);
  if (sampling::starts_from_pool(method, s)) key["start_pool"] = s.start_pool;
  key["options"] = options_text(s, method);
  key["records"] = {s.record_every, s.snapshot_every, s.trajectories, s.diagnosed_chains, sampling::most_components};
  return {json_text(key)};
}

sampling::SamplingTime sum_of(const sampling::SamplingTime& time, const Json& kept, const fs::path& file) {
  return {time.seconds + json_field_or(kept, "seconds", 0.0, file),
          time.warmup_seconds + json_field_or(kept, "warmup_seconds", 0.0, file)};
}

// What was spent on blocks that another job puts together: seconds of a shard, or of a start that was stopped, beside
// the blocks. Every shard has a file of its own.
void keep_time(const sampling::SampleStore& store, const sampling::SampleKey& key, const Shard& shard,
               sampling::SamplingTime time) {
  const fs::path file = store.folder() / "blocks" / fmt::format("seconds-{}-of-{}.json", shard.index, shard.count);
  if (fs::exists(file)) {
    const Json earlier = Json::parse(read_file(file), nullptr, false);
    if (earlier.is_object() && json_field_or(earlier, "key", std::string(), file) == key.text)
      time = sum_of(time, earlier, file);
  }
  write_file(file,
             json_text({{"key", key.text}, {"seconds", time.seconds}, {"warmup_seconds", time.warmup_seconds}}) + "\n");
}

sampling::SamplingTime kept_time(const sampling::SampleStore& store, const sampling::SampleKey& key) {
  sampling::SamplingTime sum;
  for (const auto& entry : fs::directory_iterator(store.folder() / "blocks")) {
    if (!entry.path().filename().string().starts_with("seconds-") || entry.path().extension() != ".json") continue;
    const Json kept = Json::parse(read_file(entry.path()), nullptr, false);
    if (kept.is_object() && json_field_or(kept, "key", std::string(), entry.path()) == key.text)
      sum = sum_of(sum, kept, entry.path());
  }
  return sum;
}

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

// The method after its warm-up, which the ranks share. Collective.
sampling::Method prepared(Run& run, const std::string& name, const sampling::Target& target, const tensor::Noise& noise,
                          const sampling::Target& with_gradient) {
  dist::Communicator& comm = run.comm;
  const config::SampleConfig& config = run.config.sample;
  if (!sampling::has_warm_up(name, config)) {
    return comm.together([&] { return sampling::make_method(name, config, target, noise); });
  }
  std::optional<Progress> progress;
  std::string shown;
  const auto after_step = [&](const char* part, int64_t done, int64_t of) {
    if (comm.any(stop_signal::requested()))
      dist::all_fail(Exit::stopped, "{}: stopped by a signal in its warm-up, which starts anew", name);
    if (part != std::exchange(shown, part)) {
      progress.reset();  // ends the line of the part before
      progress.emplace(fmt::format("{} warm-up, {}", name, part), of, 0, comm.root());
    }
    progress->update(done);
  };
  return sampling::make_method(name, config, target, noise,
                               {.block_size = config.block_size,
                                .rank = comm.rank(),
                                .ranks = comm.ranks(),
                                .sum = [&](at::Tensor& values) { comm.all_reduce(values); },
                                .after_step = after_step,
                                .with_gradient = &with_gradient});
}

// What is recorded of the rank's blocks. Collective.
sampling::RecordPlan records_of(Run& run, const sampling::Method& method, const sampling::Target& target,
                                const std::vector<Block>& mine, const sampling::SampleStore& store) {
  sampling::RecordPlan records = sampling::plan_records(run.config.sample, method.steps);
  if (method.population) records.diagnosed = 0;  // its particles are no independent chains
  run.comm.together([&] {
    const auto traced = [&](const Block& b) { return b.ids.begin < records.diagnosed && !store.has(b); };
    if (method.steps > 0 && std::any_of(mine.begin(), mine.end(), traced))
      records.components = sampling::feature_components(target, tensor::Noise{run.config.seed});
  });
  return records;
}

// Runs the rank's blocks; false where one of the ranks was stopped by a signal. Collective.
bool run_mine(Run& run, const std::string& name, const sampling::Method& method, const sampling::Target& target,
              const std::vector<Block>& mine, const sampling::RecordPlan& records, sampling::SampleStore& store) {
  const int64_t per_block = std::max<int64_t>(method.steps, 1);
  Progress progress(name, static_cast<int64_t>(mine.size()) * per_block, 0, run.comm.root());
  const bool completed = run.comm.together([&] {
    return sampling::run_blocks(
        method, target, tensor::Noise{run.config.seed}, mine, records, store,
        [&](int64_t blocks, int64_t step) {
          progress.update(blocks * per_block + step,
                          fmt::format("block {} of {}", std::min<int64_t>(blocks + 1, mine.size()), mine.size()));
        },
        [] { return stop_signal::requested(); }, run.config.sample.checkpoint_every);
  });
  const bool stopped = run.comm.any(!completed);
  if (!stopped) progress.finish();
  return !stopped;
}

// Returns the seconds that earlier jobs spent on these samples.
double sample_method(Run& run, const std::string& name, const TrainedTarget& trained) {
  dist::Communicator& comm = run.comm;
  const BlockPlan plan{run.config.sample.count, run.config.sample.block_size};
  const sampling::SampleKey key = key_of(run, name, trained.digest);
  sampling::SampleStore store(run.samples_of(name), key, plan);
  const bool finished = comm.on_root([&] {
    if (run.resume != train::Resume::never && store.finished()) return true;
    run.log.work_begins();
    if (run.resume == train::Resume::never) fs::remove_all(store.folder());
    if (run.writes())
      store.prepare();
    else
      make_folder(store.folder() / "blocks");
    return false;
  });
  if (finished) {
    log::info("{}: complete ({} samples, from an earlier run)", name, plan.count);
    return 0;
  }

  const Stopwatch watch;
  const tensor::Noise noise{run.config.seed};
  sampling::Target target = trained.target;
  if (!sampling::needs_gradient(name, run.config.sample))
    target = sampling::without_gradient(trained.staircase.value_or(target));
  if (run.config.sample.cuda_graph) target = sampling::graphed(std::move(target));
  const sampling::Method method = prepared(run, name, target, noise, trained.target);
  const double warmup_seconds = watch.seconds();
  if (method.steps > 0)
    log::info("{}: {} chains, {} steps of size {:.4g}, temperature {:.4g}", name, plan.count, method.steps,
              method.step_size(0), method.temperature);
  const std::vector<Block> mine = plan.blocks_of(comm.rank(), comm.ranks(), run.shard);
  const sampling::RecordPlan records = records_of(run, method, target, mine, store);
  if (comm.root() && plan.blocks() < comm.ranks() * run.shard.count)
    log::warning("{} blocks for {} ranks: some have no chains (sample.block_size {})", plan.blocks(),
                 comm.ranks() * run.shard.count, plan.block_size);

  const bool completed = run_mine(run, name, method, target, mine, records, store);
  sampling::SamplingTime time{watch.seconds(), warmup_seconds};
  if (!completed || run.shard.partial()) comm.on_root([&] { keep_time(store, key, run.shard, time); });
  if (!completed)
    dist::all_fail(Exit::stopped, "{}: stopped by a signal; finished blocks are kept, start again to go on", name);
  if (run.shard.partial()) {
    log::info("{}: part {} of {} is complete; `ddls_dist sample` puts the parts together", name, run.shard.index,
              run.shard.count);
    return 0;
  }
  sampling::SamplingTime earlier;
  comm.on_root([&] {
    earlier = kept_time(store, key);
    time = {time.seconds + earlier.seconds, time.warmup_seconds + earlier.warmup_seconds};
    store.assemble(method, records.records, time, run.train.class_names);
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
  double earlier = 0;
  for (const std::string& name : run.config.sample.methods) earlier += sample_method(run, name, trained);
  if (run.shard.partial()) return;
  sweep(run, trained);
  note_seconds(run, "sample", earlier + watch.seconds());
}

}  // namespace ddls::pipeline
