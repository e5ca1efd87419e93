#include "pipeline/sampling_job.hpp"

#include <algorithm>
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
#include "ddls/graphed.hpp"
#include "ddls/registry.hpp"
#include "device/device_of.hpp"
#include "dist/failure.hpp"

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

// What keep_time wrote for this job; nothing where the file is another's, or damaged.
sampling::SamplingTime time_in(const fs::path& file, const SamplingJob& job) {
  const Json kept = Json::parse(read_file(file), nullptr, /*allow_exceptions=*/false);
  if (!kept.is_object() || json_field_or(kept, "key", std::string(), file) != job.key.text) return {};
  return {json_field_or(kept, "seconds", 0.0, file), json_field_or(kept, "warmup_seconds", 0.0, file)};
}

sampling::SamplingTime operator+(const sampling::SamplingTime& a, const sampling::SamplingTime& b) {
  return {a.seconds + b.seconds, a.warmup_seconds + b.warmup_seconds};
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

}  // namespace

SamplingJob open_job(const Run& run, const std::string& name, const TrainedTarget& trained) {
  const BlockPlan plan{run.config.sample.count, run.config.sample.block_size};
  const sampling::SampleKey key = key_of(run, name, trained.digest);
  return {.name = name, .plan = plan, .key = key, .store = {run.samples_of(name), key, plan}};
}

void prepare_method(Run& run, SamplingJob& job, const TrainedTarget& trained, const std::vector<Block>& mine) {
  const config::SampleConfig& config = run.config.sample;
  const Stopwatch watch;
  job.target = trained.target;
  if (!sampling::needs_gradient(job.name, config))
    job.target = sampling::without_gradient(trained.staircase.value_or(job.target));
  if (config.cuda_graph) job.target = sampling::graphed(std::move(job.target));
  job.method = prepared(run, job.name, job.target, tensor::Noise{run.config.seed}, trained.target);
  job.warmup_seconds = watch.seconds();
  if (job.method->steps > 0)
    log::info("{}: {} chains, {} steps of size {:.4g}, temperature {:.4g}", job.name, job.plan.count, job.method->steps,
              job.method->step_size(0), job.method->temperature);
  job.records = records_of(run, *job.method, job.target, mine, job.store);
}

bool run_blocks(const Run& run, SamplingJob& job, std::span<const Block> blocks,
                const sampling::SamplerProgress& progress) {
  return sampling::run_blocks(*job.method, job.target, tensor::Noise{run.config.seed}, blocks, job.records, job.store,
                              progress, stop_signal::requested, run.config.sample.checkpoint_every);
}

void all_stopped(const SamplingJob& job) {
  dist::all_fail(Exit::stopped, "{}: stopped by a signal; finished blocks are kept, start again to go on", job.name);
}

void keep_time(const SamplingJob& job, const std::string& part, sampling::SamplingTime time) {
  const fs::path file = job.blocks_folder() / ("seconds-" + part + ".json");
  if (fs::exists(file)) time = time + time_in(file, job);
  write_file(
      file,
      json_text({{"key", job.key.text}, {"seconds", time.seconds}, {"warmup_seconds", time.warmup_seconds}}) + "\n");
}

sampling::SamplingTime kept_time(const SamplingJob& job) {
  sampling::SamplingTime sum;
  for (const auto& entry : fs::directory_iterator(job.blocks_folder())) {
    if (entry.path().filename().string().starts_with("seconds-") && entry.path().extension() == ".json")
      sum = sum + time_in(entry.path(), job);
  }
  return sum;
}

}  // namespace ddls::pipeline
