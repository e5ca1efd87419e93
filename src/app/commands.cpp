#include "app/commands.hpp"

#include <filesystem>

#include "app/command_line.hpp"
#include "app/info.hpp"
#include "base/error.hpp"
#include "base/json_text.hpp"
#include "base/log.hpp"
#include "base/output.hpp"
#include "base/stop_signal.hpp"
#include "bench/bench.hpp"
#include "config/load.hpp"
#include "dist/failure.hpp"
#include "pipeline/energies.hpp"
#include "pipeline/energy_stage.hpp"
#include "pipeline/evaluate_sets.hpp"
#include "pipeline/init_config.hpp"
#include "pipeline/inspect.hpp"
#include "pipeline/read_config.hpp"
#include "pipeline/sample_pretrained.hpp"
#include "pipeline/stages.hpp"
#include "report/comparison.hpp"
#include "report/explain.hpp"
#include "report/live.hpp"
#include "report/report.hpp"
#include "version.hpp"

namespace ddls::app {
namespace {

const char* name_of(Command command) {
  switch (command) {
    case Command::train:
      return "train";
    case Command::sample:
      return "sample";
    case Command::evaluate:
      return "evaluate";
    case Command::energy:
      return "energy";
    default:
      return "pipeline";
  }
}

pipeline::RunOptions run_options(const CommandLine& line) {
  return {.command = name_of(line.command), .out = line.out, .resume = line.resume, .shard = line.shard};
}

pipeline::GanFiles gan_files(const CommandLine& line) { return {line.generator, line.discriminator}; }

pipeline::OutsideReals outside_reals(const CommandLine& line) {
  return {line.real, line.extractors.empty() ? std::string() : line.extractors.front()};
}

void check_outputs(const CommandLine& line) {
  for (const std::string& file : {line.json, line.bench_options.trace, line.latex, line.csv})
    if (!file.empty()) check_named_file(file);
}

// --set, and what other options say in its words.
std::vector<std::string> overrides_of(const CommandLine& line) {
  std::vector<std::string> overrides = line.overrides;
  if (!line.generator.empty() && line.config_file.empty())
    overrides.insert(overrides.begin(), "name=" + pipeline::name_after(line.generator));
  if (!line.metrics.empty()) overrides.push_back("evaluate.metrics=[" + line.metrics + "]");
  if (!line.resize.empty()) overrides.push_back("evaluate.resize=" + line.resize);
  if (line.resize_to) overrides.push_back(fmt::format("evaluate.resize_to={}", *line.resize_to));
  return overrides;
}

// **Collective.** Every rank reads; one speaks. Outputs that could not be written are refused here, too, before any
// work.
config::Config config_of(const CommandLine& line, dist::Communicator& comm) {
  config::Config config;
  comm.together([&] {
    if (comm.root()) check_outputs(line);
    config = pipeline::read_config(line.config_file, overrides_of(line));
  });
  return config;
}

pipeline::Run open(const CommandLine& line, dist::Communicator& comm) {
  return pipeline::open_run(config_of(line, comm), run_options(line), comm);
}

// **Collective.** Rank 0's text on standard output, and its JSON text into --json, where that is given.
void answer(const CommandLine& line, dist::Communicator& comm, const std::string& text, const std::string& json = {}) {
  comm.on_root([&] {
    if (!line.json.empty() && !json.empty()) write_named_file(line.json, json);
    print_result(text);
  });
}

void compare(const CommandLine& line, dist::Communicator& comm) {
  comm.on_root([&] {
    check_outputs(line);
    const fs::path page = line.out.empty() ? fs::path("comparison.html") : fs::path(line.out);
    report::write_comparison({line.runs.begin(), line.runs.end()}, page, {line.latex, line.csv});
    print_result(fmt::format("{}\n", page.string()));
  });
}

void explain(const CommandLine& line, dist::Communicator& comm) {
  comm.on_root([&] {
    check_outputs(line);
    report::Explanation found =
        report::explain_results(line.results[0], line.results[1], {line.caches.begin(), line.caches.end()});
    Json record{{"schema", 1}, {"version", version::project}, {"git_commit", version::git_commit}};
    record.update(found.record);
    if (!line.json.empty()) write_named_file(line.json, json_text(record, 2) + "\n");
    print_result(found.text);
  });
}

void sample(const CommandLine& line, dist::Communicator& comm) {
  if (line.shard.free && comm.ranks() > 1)
    dist::all_fail(Exit::usage,
                   "--shard free: every process is on its own, so that it may be lost; start them without mpirun "
                   "(launch/run.sh --survive does), or give --shard I/N");
  if (!line.generator.empty())
    return pipeline::sample_pretrained(config_of(line, comm), gan_files(line), run_options(line), comm);
  pipeline::Run run = open(line, comm);
  pipeline::sample_stage(run, pipeline::load_target(run, line.checkpoint));
  pipeline::picture_stage(run);
}

void evaluate(const CommandLine& line, dist::Communicator& comm) {
  if (!line.fake.empty()) {
    const std::string result =
        pipeline::evaluate_sets(config_of(line, comm), {line.fake, line.real, line.extractors, line.train}, comm);
    return answer(line, comm, result, result);
  }
  pipeline::Run run = open(line, comm);
  pipeline::evaluate_stage(run);
  answer(line, comm, pipeline::report_stage(run));
}

void energy(const CommandLine& line, dist::Communicator& comm) {
  std::string result;
  if (!line.runs.empty()) {
    result = comm.on_root([&] {
      check_outputs(line);
      return pipeline::energies_text(pipeline::energies_in(line.runs.front()));
    });
  } else if (!line.generator.empty()) {
    result = pipeline::energies_text(
        pipeline::energies_of_gan(config_of(line, comm), gan_files(line), outside_reals(line), comm));
  } else {
    pipeline::Run run = open(line, comm);
    result = pipeline::energies_text(pipeline::energies_of_run(run, line.checkpoint));
  }
  answer(line, comm, result, result);
}

void inspect(const CommandLine& line, dist::Communicator& comm) {
  comm.on_root([&] { check_outputs(line); });
  const pipeline::Inspection found = pipeline::inspect_set(line.set, comm);
  answer(line, comm, found.text, json_text(found.record, 2) + "\n");
}

void init(const CommandLine& line, dist::Communicator& comm) {
  comm.on_root([&] {
    if (!line.out.empty()) check_named_file(line.out);
  });
  const pipeline::Inspection found = pipeline::inspect_set(line.set, comm);
  comm.on_root([&] {
    const std::string text = pipeline::configuration_for(found.record, line.set);
    if (line.out.empty()) return print_result(text);
    write_named_file(line.out, text);
    print_result(fmt::format("{}\n", line.out));
  });
}

// Whoever watches is one process and needs no MPI, which would be told of an interrupt before us.
int watch(const CommandLine& line) {
  stop_signal::install();
  log::init(line.level, 0, 1);
  report::LivePage page(line.runs.front());
  const bool ended = page.update(static_cast<int>(line.every_s) + 1);
  print_result(fmt::format("{}\n", page.file().string()));
  if (ended || report::watch_run(page, line.every_s, stop_signal::requested)) log::info("the run has ended");
  return static_cast<int>(Exit::success);
}

void bench(const CommandLine& line, dist::Communicator& comm) {
  const Json result = bench::run_bench(line.bench, config_of(line, comm), line.bench_options, comm);
  answer(line, comm, bench::bench_text(result), json_text(result, 2) + "\n");
}

// Of a file, or of a run's folder.
config::Config config_in(const std::string& path) {
  const std::filesystem::path place(path);
  return pipeline::read_config(std::filesystem::is_directory(place) ? (place / "config.yaml").string() : path, {});
}

std::string config_text(const CommandLine& line) {
  if (line.diff.empty()) return config::to_yaml(pipeline::read_config(line.config_file, line.overrides));
  return config::differences(config_in(line.diff[0]), config_in(line.diff[1]));
}

void run_line(const CommandLine& line, const dist::Environment& environment, dist::Communicator& comm) {
  switch (line.command) {
    case Command::config:
      comm.on_root([&] { print_result(config_text(line)); });
      return;
    case Command::info:
      comm.on_root([&] { print_result(info_text(comm.topology(), environment.launcher_mismatch(), line.json)); });
      return;
    case Command::compare:
      return compare(line, comm);
    case Command::explain:
      return explain(line, comm);
    case Command::energy:
      return energy(line, comm);
    case Command::inspect:
      return inspect(line, comm);
    case Command::init:
      return init(line, comm);
    case Command::report:
      return comm.on_root([&] {
        report::write_report(line.runs.front());
        print_result(report::summary_text(line.runs.front()));
      });
    case Command::watch:
      return;  // answer_without_job
    case Command::pipeline: {
      pipeline::Run run = open(line, comm);
      return answer(line, comm, pipeline::run_pipeline(run));
    }
    case Command::bench:
      return bench(line, comm);
    case Command::train: {
      pipeline::Run run = open(line, comm);
      pipeline::judge_energy(run, pipeline::train_stage(run));  // the parts of a sampling array find it
      return;
    }
    case Command::sample:
      return sample(line, comm);
    case Command::evaluate:
      return evaluate(line, comm);
  }
}

}  // namespace

std::optional<int> answer_without_job(int argc, char** argv) {
  std::optional<std::string> text;
  bool watches = false;
  try {
    const ParsedCommandLine parsed = parse_command_line(argc, argv);
    text = parsed.text_only;
    if (text && dist::rank_by_launcher() == 0) print_result(*text);
    if (!text && parsed.line.command == Command::watch) {
      watches = true;
      return dist::rank_by_launcher() == 0 ? watch(parsed.line) : static_cast<int>(Exit::success);
    }
  } catch (const Error& error) {
    if (!text && !watches) return std::nullopt;  // run_command tells
    log::init(log::Level::info, 0, 1);
    log::error("{}", error.what());
    return static_cast<int>(error.code());
  }
  return text ? std::optional(static_cast<int>(Exit::success)) : std::nullopt;
}

int run_command(int argc, char** argv, dist::Environment& environment) {
  const ParsedCommandLine parsed = [&] {
    try {
      return parse_command_line(argc, argv);  // the same words on every rank, so the same error
    } catch (const Error& error) {
      throw dist::CollectiveError(error.code(), error.what());
    }
  }();
  const CommandLine& line = parsed.line;
  log::init(line.level, environment.rank(), environment.ranks());
  const dist::Topology topology = [&] {
    const dist::Watchdog::Guard guard(environment.watchdog(), "find_topology", 0);
    return dist::find_topology(MPI_COMM_WORLD, line.device);
  }();
  dist::Communicator comm(MPI_COMM_WORLD, topology, line.watchdog_s);
  run_line(line, environment, comm);
  return 0;
}

}  // namespace ddls::app
