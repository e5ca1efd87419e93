#include "app/commands.hpp"

#include "app/command_line.hpp"
#include "app/info.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "base/output.hpp"
#include "bench/bench.hpp"
#include "config/load.hpp"
#include "dist/failure.hpp"
#include "pipeline/energy_command.hpp"
#include "pipeline/energy_stage.hpp"
#include "pipeline/evaluate_sets.hpp"
#include "pipeline/inspect.hpp"
#include "pipeline/read_config.hpp"
#include "pipeline/run.hpp"
#include "pipeline/sample_scripted.hpp"
#include "report/comparison.hpp"

namespace ddls {
namespace {

void run_pipeline(const CommandLine& line, Communicator& comm) {
  Run run = open_run(line, comm);
  check_evaluation(run);
  const TrainedTarget trained = train_stage(run);
  sample_stage(run, trained);
  evaluate_stage(run, &trained);
  report_stage(run);
}

}  // namespace

std::optional<int> answer_without_job(int argc, char** argv) {
  std::optional<std::string> text;
  try {
    text = parse_command_line(argc, argv).text_only;
    if (text && rank_by_launcher() == 0) print_result(*text);
  } catch (const Error& error) {
    if (!text) return std::nullopt;  // run_command tells
    log::init(log::Level::info, 0, 1);
    log::error("{}", error.what());
    return static_cast<int>(error.code());
  }
  return text ? std::optional(static_cast<int>(Exit::success)) : std::nullopt;
}

int run_command(int argc, char** argv, Environment& environment) {
  const ParsedCommandLine parsed = [&] {
    try {
      return parse_command_line(argc, argv);  // the same words on every rank, so the same error
    } catch (const Error& error) {
      throw CollectiveError(error.code(), error.what());
    }
  }();
  const CommandLine& line = parsed.line;
  log::init(line.level, environment.rank(), environment.ranks());
  const Topology topology = [&] {
    const Watchdog::Guard guard(environment.watchdog(), "find_topology", 0);
    return find_topology(MPI_COMM_WORLD, line.device);
  }();
  Communicator comm(MPI_COMM_WORLD, topology, line.watchdog_s);
  switch (line.command) {
    case Command::config:
      comm.on_root([&] { return print_result(to_yaml(read_config(line.config_file, line.overrides))), std::string(); });
      break;
    case Command::info:
      comm.on_root(
          [&] { return print_result(info_text(topology, environment.launcher_mismatch(), line.json)), std::string(); });
      break;
    case Command::compare:
      comm.on_root([&] {
        const fs::path page = line.out.empty() ? fs::path("comparison.html") : fs::path(line.out);
        write_comparison({line.runs.begin(), line.runs.end()}, page);
        return print_result(fmt::format("{}\n", page.string())), std::string();
      });
      break;
    case Command::energy: {
      const std::string text = tell_energy(line, comm);
      comm.on_root([&] { return print_result(text), std::string(); });
      break;
    }
    case Command::inspect: {
      const std::string text = inspect_set(line, comm);
      comm.on_root([&] { return print_result(text), std::string(); });
      break;
    }
    case Command::pipeline:
      run_pipeline(line, comm);
      break;
    case Command::bench:
      run_bench(line, comm);
      break;
    case Command::train: {
      Run run = open_run(line, comm);
      judge_energy(run, train_stage(run));  // the parts of a sampling array find it
      break;
    }
    case Command::sample: {
      if (!line.generator.empty()) {
        sample_scripted(line, comm);
        break;
      }
      Run run = open_run(line, comm);
      sample_stage(run, load_target(run, line.checkpoint));
      picture_stage(run);
      break;
    }
    case Command::evaluate: {
      if (!line.fake.empty()) {
        const std::string result = evaluate_sets(line, comm);
        comm.on_root([&] { return print_result(result), std::string(); });
        break;
      }
      Run run = open_run(line, comm);
      evaluate_stage(run);
      report_stage(run);
      break;
    }
  }
  return 0;
}

}  // namespace ddls
