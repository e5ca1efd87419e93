// The input pipeline on the configured training set: read, decoded, cropped, scaled and batched, and nothing else.
#include <ATen/ATen.h>

#include <ctime>

#include "bench/bench.hpp"
#include "data/loader.hpp"
#include "train/learner.hpp"

namespace ddls::bench {
namespace {

// Of all threads of this process.
double cpu_seconds() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

}  // namespace

Json bench_data(const config::Config& config, const BenchOptions& options, dist::Communicator& comm) {
  data::Dataset data;
  const double opening = seconds_together(
      comm, [&] { comm.together([&] { data = data::open_dataset(config.data, data::Split::train, config.seed); }); });
  const train::ShardPlan plan = train::plan_shards(config.train.batch, 0, comm, "train.batch");
  data::Loader loader(data, config.seed, plan.batch, plan.mine,
                      data::loader_options(config.data, config.seed, c10::DeviceType::CPU));
  int64_t step = 0;
  const auto run = [&](int64_t steps) {
    comm.together([&] {
      for (const int64_t end = step + steps; step < end; ++step)
        for (const IdRange& shard : plan.mine) loader.batch(step * plan.batch + shard.begin, shard.size());
    });
  };
  run(options.warmup);
  std::vector<double> rates, core_rates;
  const double images = static_cast<double>(options.steps * plan.batch);
  for (int64_t round = 0; round < options.rounds; ++round) {
    const double cpu_before = cpu_seconds();
    const double seconds = seconds_together(comm, [&] { run(options.steps); });
    at::Tensor cpu = at::full({1}, cpu_seconds() - cpu_before, at::kDouble);
    comm.all_reduce(cpu);
    rates.push_back(images / seconds);
    core_rates.push_back(images / cpu.item<double>());
  }
  return {{"bench", "data"},
          {"set", data.name},
          {"count", data.size()},
          {"shape", data.shape()},
          {"in_memory", data.lazy == nullptr},
          {"seconds_to_open", opening},
          {"batch", plan.batch},
          {"ranks", comm.ranks()},
          {"loader_threads", data.lazy ? config.data.loader_threads : 0},
          {"images_per_second", spread_of(rates)},
          {"images_per_core_second", spread_of(core_rates)},  // of processor time, waiting left out
          {"peak_resident_mib", peak_resident_mib()}};
}

}  // namespace ddls::bench
