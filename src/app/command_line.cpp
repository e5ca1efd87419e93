#include "app/command_line.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <functional>

#include "app/completion.hpp"
#include "base/error.hpp"
#include "ddls/registry.hpp"
#include "metrics/registry.hpp"
#include "version.hpp"

namespace ddls::app {
namespace {

struct Names {
  std::string resume = "auto", level = "info", seed, shard;
};

// CLI11's own checks, whose messages spell out the largest double.
CLI::Validator checked_as(const CLI::Validator& check, const char* what) {
  const auto operation = [check, what](std::string& text) {
    return check(text).empty() ? std::string() : fmt::format("{} is not {}", text, what);
  };
  return {operation, "NUMBER", what};
}
CLI::Validator positive() { return checked_as(CLI::PositiveNumber, "a number above 0"); }
CLI::Validator not_negative() { return checked_as(CLI::NonNegativeNumber, "a number of at least 0"); }

void add_common(CLI::App& app, CommandLine& line, Names& names) {
  app.add_option("--config", line.config_file, "configuration (YAML)");
  // Appended: those before a command hold as those behind it.
  const auto append = [&line](const std::vector<std::string>& more) {
    line.overrides.insert(line.overrides.end(), more.begin(), more.end());
  };
  app.add_option_function<std::vector<std::string>>("--set", append, "path.to.key=value; repeatable, the last wins")
      ->allow_extra_args(false)
      ->take_all();
  app.add_option("--out", line.out, "run directory (default: runs/<name>)");
  app.add_option("--resume", names.resume, "auto, never or require")
      ->check(CLI::IsMember({"auto", "never", "require"}));
  app.add_option("--device", line.device, "auto, cpu or cuda")->check(CLI::IsMember({"auto", "cpu", "cuda"}));
  app.add_option("--seed", names.seed, "the same as a last --set seed=N");
  app.set_version_flag("--version", fmt::format("ddls_dist {} ({})", version::project, version::git_commit));
  app.add_option("--log-level", names.level, "debug, info, warning, error or off");
  app.add_option("--watchdog", line.watchdog_s,
                 "seconds that a rank waits for the others before it ends the job (default: 600; 0: for ever)")
      ->check(not_negative());
}

std::string sampler_help() {
  std::string text = "Samplers (sample.methods):\n";
  for (const sampling::Sampler& sampler : sampling::samplers())
    text += fmt::format("  {:<16}{}\n", sampler.name, sampler.summary);
  return text + "`ddls_dist config` shows their options.";
}

std::string metric_help() {
  std::string asked = "Metrics (--metrics, evaluate.metrics):\n", unasked = "Where there is what they need, unasked:\n";
  for (const metrics::Metric& metric : metrics::known_metrics())
    (metric.unasked ? unasked : asked) += fmt::format("  {:<18}{}\n", metric.name, metric.summary);
  return asked + unasked + "`ddls_dist config` shows their options.";
}

// "2/8": the third of eight parts. "free": blocks that no other process is at.
Shard shard_from(const std::string& text) {
  Shard shard;
  if (text == "free") return {.free = true};
  const char* end = text.data() + text.size();
  const auto index = std::from_chars(text.data(), end, shard.index);
  if (index.ec == std::errc() && index.ptr != end && *index.ptr == '/') {
    const auto count = std::from_chars(index.ptr + 1, end, shard.count);
    if (count.ec == std::errc() && count.ptr == end && shard.index >= 0 && shard.index < shard.count) return shard;
  }
  fail(Exit::usage, "--shard {}: it is I/N with I from 0 to N - 1, as in --shard 0/8, or free", text);
}

// Adds a command of this name, with the options that all have.
using AddCommand = std::function<CLI::App*(const char* name, const char* help, Command value)>;

void add_stages(const AddCommand& command, CommandLine& line, Names& names) {
  command("train", "train the GAN and the density ratio", Command::train);
  CLI::App* sample = command("sample", "run the samplers on trained networks", Command::sample);
  sample->add_option("--checkpoint", line.checkpoint, "checkpoint folder to sample from (default: the run's newest)");
  sample->add_option("--generator", line.generator,
                     "generator of any GAN: a .pt2 archive, TorchScript, or weights in .safetensors (docs/export.md)");
  sample->add_option("--discriminator", line.discriminator,
                     "its discriminator, which gives logits; of the same kind (a .pt2 has its own)");
  sample->add_option("--shard", names.shard,
                     "I/N: only the I-th (from 0) of N parts of the blocks; free: those that no other process is at, "
                     "which may be lost; "
                     "`sample` without it puts the parts together");
  sample->footer(sampler_help());
  CLI::App* evaluate = command("evaluate", "compare two sets, or the samples of a run", Command::evaluate);
  evaluate->add_option("--fake", line.fake, "generated set: folder of images, .npz, or samples folder");
  evaluate->add_option("--real", line.real, "real set");
  evaluate->add_option("--train", line.train,
                       "with --fake: what the generator was trained on, for authenticity and ct");
  evaluate
      ->add_option("--extractor", line.extractors,
                   "feature network (.pt2 or TorchScript); repeatable: one pass for all")
      ->allow_extra_args(false)
      ->take_all();
  evaluate->add_option("--metrics", line.metrics, "comma-separated names, see below (default: evaluate.metrics)");
  evaluate->add_option("--resize", line.resize,
                       "filter before the network: none, area, box, bilinear, bicubic or lanczos (evaluate.resize)");
  evaluate->add_option("--resize-to", line.resize_to, "pixels a side (evaluate.resize_to)");
  evaluate->add_option("--json", line.json, "write the result here");
  evaluate->footer(metric_help());
}

void add_questions(const AddCommand& command, CommandLine& line) {
  CLI::App* compare = command("compare", "one page that shows several runs side by side", Command::compare);
  compare->add_option("runs", line.runs, "run folders that hold a report.json")->required()->expected(2, -1);
  compare->add_option("--latex", line.latex, "also as a LaTeX table: mean and sd over runs that differ in the seed");
  compare->add_option("--csv", line.csv, "the same as comma-separated values, with paired tests");
  CLI::App* explain = command("explain", "why two results of an evaluation differ", Command::explain);
  explain->add_option("results", line.results, "two files: of `evaluate --json`, or report.json")
      ->type_name("A.json B.json")
      ->required()
      ->expected(2);
  explain->add_option("--cache", line.caches, "folder of kept statistics (evaluate.cache); repeatable")
      ->allow_extra_args(false)
      ->take_all();
  explain->add_option("--json", line.json, "write the result here");
  CLI::App* energy = command("energy", "what the energy of a run, or of any GAN, is worth", Command::energy);
  energy->add_option("run", line.runs, "run folder: what is known of its energy")->expected(0, 1);
  energy->add_option("--checkpoint", line.checkpoint, "with --config: checkpoint folder (default: the run's newest)");
  energy->add_option("--generator", line.generator, "generator of any GAN, as for sample");
  energy->add_option("--discriminator", line.discriminator, "its discriminator");
  energy->add_option("--real", line.real,
                     "with --generator: reals that neither has seen; without them no nats are known");
  energy->add_option("--extractor", line.extractors, "with --real: feature network of the weighted draws' metrics");
  energy->add_option("--json", line.json, "write the result here");
  CLI::App* inspect =
      command("inspect", "what a set holds, what is converted, what is left out and why", Command::inspect);
  inspect->add_option("set", line.set, "folder of images, tar archives, .npz, .npy, idx, CIFAR-10, samples, statistics")
      ->required();
  inspect->add_option("--json", line.json, "write the result here");
  command("init", "write a commented configuration for a set, into --out FILE or onto standard output", Command::init)
      ->add_option("set", line.set, "as for inspect")
      ->required();
}

void add_pages(const AddCommand& command, CommandLine& line) {
  command("report", "write the figures and the page of a run anew, from its folder", Command::report)
      ->add_option("run", line.runs, "run folder that holds a report.json")
      ->required()
      ->expected(1);
  CLI::App* watch =
      command("watch", "a page that follows a run: RUN/live.html, until it ends or Ctrl-C", Command::watch);
  watch->add_option("run", line.runs, "run folder")->required()->expected(1);
  watch->add_option("--every", line.every_s, "seconds between two looks (default: 3)")->check(positive());
}

void add_bench(const AddCommand& command, CommandLine& line) {
  CLI::App* bench = command("bench", "measure a part of the program on synthetic data", Command::bench);
  bench->add_option("what", line.bench, "training, sampler, evaluation, data or collectives")
      ->required()
      ->check(CLI::IsMember({"training", "sampler", "evaluation", "data", "collectives"}));
  bench->add_option("--warmup", line.bench_options.warmup, "steps before the clock starts")->check(positive());
  bench->add_option("--rounds", line.bench_options.rounds, "how many times it is measured")->check(positive());
  bench->add_option("--steps", line.bench_options.steps, "steps per round")->check(positive());
  bench->add_option("--json", line.json, "write the result here");
  CLI::Option* profile =
      bench->add_flag("--profile", line.bench_options.profile, "sampler: where a step's time goes, by operation");
  bench->add_option("--trace", line.bench_options.trace, "with --profile: the same as a Chrome trace, into this file")
      ->needs(profile);
  bench
      ->add_option("--block-sizes", line.bench_options.block_sizes,
                   "sampler: the speed at these sample.block_size, separated by commas, and which to take")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(positive())
      ->excludes(profile);
}

// What belongs together and what does not.
void check_line(const CommandLine& line) {
  if (!line.bench_options.block_sizes.empty() && line.bench != "sampler")
    fail(Exit::usage, "bench {}: --block-sizes is of the sampler: ddls_dist bench sampler --block-sizes 32,64,128",
         line.bench);
  if (line.bench_options.profile && line.bench != "sampler")
    fail(Exit::usage, "bench {}: --profile is of the sampler: ddls_dist bench sampler --profile", line.bench);
  if (line.shard.partial() && line.resume == train::Resume::never)
    fail(Exit::usage, "--shard and --resume never: parts share a folder, and none may empty it; delete it first");
  if (line.shard.free && !line.generator.empty())
    fail(Exit::usage,
         "--shard free: of a run; for --generator give parts, --shard I/N, or its configuration with "
         "model.architecture pretrained");
  const bool of_folder = line.command == Command::energy && !line.runs.empty();
  const bool needs_config = is_work(line.command) && line.command != Command::bench && !of_folder &&
                            line.fake.empty() && line.generator.empty();
  if (needs_config && line.config_file.empty())
    fail(Exit::usage, "--config FILE is missing (ddls_dist --help; configs/ holds examples)");
  const char* const of_gan = line.command == Command::energy ? "energy" : "sample";
  const bool archive = line.generator.ends_with(".pt2");
  if (archive && !line.discriminator.empty())
    fail(Exit::usage, "{}: a .pt2 archive has its own ratio; leave --discriminator out", of_gan);
  if (!archive && line.generator.empty() != line.discriminator.empty())
    fail(Exit::usage, "{}: --generator and --discriminator belong together", of_gan);
  if (!line.generator.empty() && !line.checkpoint.empty())
    fail(Exit::usage, "sample: --checkpoint names a run's networks, --generator others; give one of them");
  if (line.command == Command::evaluate && line.fake.empty() && line.real.empty() &&
      (!line.extractors.empty() || !line.metrics.empty() || !line.json.empty() || !line.train.empty() ||
       !line.resize.empty() || line.resize_to))
    fail(Exit::usage,
         "evaluate: --train, --extractor, --metrics, --resize, --resize-to and --json belong to --fake and --real; for "
         "a run set evaluate.extractor, evaluate.metrics and evaluate.resize, and read its report.json");
  if (!line.diff.empty() && (!line.config_file.empty() || !line.overrides.empty()))
    fail(Exit::usage, "config: --diff compares two configurations as they are; leave --config and --set out");
  if (line.command == Command::energy) {
    if (of_folder && (!line.config_file.empty() || !line.generator.empty()))
      fail(Exit::usage, "energy: RUN, --config or --generator says of what; give one of them");
    if (line.extractors.size() > 1) fail(Exit::usage, "energy: one --extractor; {} are given", line.extractors.size());
    if (line.generator.empty() && (!line.real.empty() || !line.extractors.empty()))
      fail(Exit::usage, "energy: --real and --extractor belong to --generator; a run has its own");
    return;
  }
  if (line.fake.empty() != line.real.empty()) fail(Exit::usage, "evaluate: --fake and --real belong together");
}

}  // namespace

ParsedCommandLine parse_command_line(int argc, char** argv) {
  ParsedCommandLine parsed;
  CommandLine& line = parsed.line;
  Names names;

  CLI::App app{
      "ddls_dist: GANs trained over MPI ranks and sampled by Langevin chains in latent space.\n"
      "Without a command it runs the whole pipeline: train, sample, evaluate, report."};
  app.name("ddls_dist");
  app.require_subcommand(0, 1);
  add_common(app, line, names);

  const AddCommand command = [&](const char* name, const char* help, Command value) {
    CLI::App* sub = app.add_subcommand(name, help);
    sub->callback([&line, value] { line.command = value; });
    add_common(*sub, line, names);
    return sub;
  };
  add_stages(command, line, names);
  add_questions(command, line);
  add_pages(command, line);
  add_bench(command, line);
  command("config", "print the resolved configuration, commented", Command::config)
      ->add_option("--diff", line.diff,
                   "print what differs between two configurations (files or run folders), with what they inherit")
      ->type_name("A B")
      ->expected(2);
  command("info", "versions, devices and transports", Command::info)->add_option("--json", line.json, "write it here");
  bool completion = false;
  app.add_subcommand("completion", "print what bash needs to complete commands and options")->callback([&completion] {
    completion = true;
  });

  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    parsed.text_only = app.get_subcommands().empty() ? app.help() : app.get_subcommands().front()->help(app.get_name());
    return parsed;
  } catch (const CLI::CallForVersion& version) {
    parsed.text_only = std::string(version.what()) + "\n";
    return parsed;
  } catch (const CLI::ParseError& error) {
    fail(Exit::usage, "{} (ddls_dist --help lists commands and options)", error.what());
  }

  if (completion) {
    parsed.text_only = bash_completion(app);
    return parsed;
  }
  line.resume = names.resume == "never"     ? train::Resume::never
                : names.resume == "require" ? train::Resume::require
                                            : train::Resume::automatic;
  line.level = log::level_from_name(names.level);
  if (!names.shard.empty()) line.shard = shard_from(names.shard);
  if (!names.seed.empty()) line.overrides.push_back("seed=" + names.seed);
  check_line(line);
  return parsed;
}

bool is_work(Command command) {
  return command == Command::pipeline || command == Command::train || command == Command::sample ||
         command == Command::evaluate || command == Command::energy || command == Command::bench;
}

dist::JobLimits job_limits(int argc, char** argv) {
  CommandLine line;  // its default
  bool one_job = false;
  try {
    line = parse_command_line(argc, argv).line;
    one_job = is_work(line.command) && !line.shard.free;
  } catch (const Error&) {
    // Told once MPI is up, by rank 0 alone.
  }
  if (line.watchdog_s == 0) return {.one_job = one_job};
  constexpr double slowest_start_s = 60;  // of LibTorch from a shared file system, on a loaded machine
  constexpr double slowest_end_s = 10;
  return {.start = std::max(line.watchdog_s, slowest_start_s),
          .end = std::max(line.watchdog_s, slowest_end_s),
          .one_job = one_job};
}

}  // namespace ddls::app
