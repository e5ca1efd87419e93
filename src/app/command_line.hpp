#pragma once
// The command line as a value (docs/formats.md, section 1).
#include <optional>
#include <string>
#include <vector>

#include "base/blocks.hpp"
#include "base/log.hpp"
#include "bench/bench_options.hpp"
#include "dist/environment.hpp"
#include "train/phase.hpp"

namespace ddls::app {

enum class Command {
  pipeline,
  train,
  sample,
  evaluate,
  compare,
  explain,
  inspect,
  init,
  energy,
  report,
  watch,
  bench,
  config,
  info
};

struct CommandLine {
  Command command = Command::pipeline;
  std::string config_file;
  std::vector<std::string> overrides;
  std::string out;  // empty: output.directory, or runs/<name>
  train::Resume resume = train::Resume::automatic;
  std::string device = "auto";
  log::Level level = log::Level::info;
  double watchdog_s = 600;               // how long a rank waits for the others; 0: for ever
  std::string checkpoint;                // sample
  Shard shard;                           // sample: of the blocks, for batch jobs that share one run folder
  std::string generator, discriminator;  // sample, energy: TorchScript files instead of a run's networks
  std::string fake, real, train;         // evaluate; energy: real
  std::vector<std::string> extractors;   // evaluate; energy: one
  std::string metrics, resize;           // evaluate; empty: those of the configuration
  std::optional<int64_t> resize_to;
  std::vector<std::string> runs;             // compare; energy: at most one; report, watch: one
  double every_s = 3;                        // watch
  std::string latex, csv;                    // compare
  std::vector<std::string> results, caches;  // explain: two files; folders of kept statistics
  std::string set;                           // inspect, init
  std::vector<std::string> diff;             // config: two files, or none
  std::string bench;                         // training, sampler, evaluation, data or collectives
  bench::BenchOptions bench_options;
  std::string json;  // evaluate, explain, energy, inspect, bench, info
};

// Throws Error(usage). `text_only` holds the text of --help or --version, when that was asked for: print it and
// succeed.
struct ParsedCommandLine {
  CommandLine line;
  std::optional<std::string> text_only;
};
ParsedCommandLine parse_command_line(int argc, char** argv);

// Does it compute on all ranks? The others tell or draw something, which one process does as well.
bool is_work(Command command);

// --watchdog, but at least a minute for the start and ten seconds for the end; separate tasks are refused where the
// command is work. Never throws.
dist::JobLimits job_limits(int argc, char** argv);

}  // namespace ddls::app
