#pragma once
// A run: its configuration, its folder, and what the stages (stages.hpp) share.
#include <filesystem>
#include <optional>
#include <string>

#include "base/blocks.hpp"
#include "base/json.hpp"
#include "config/config.hpp"
#include "data/dataset.hpp"
#include "ddls/labels.hpp"
#include "dist/communicator.hpp"
#include "train/gan_training.hpp"
#include "train/phase.hpp"
#include "train/run_log.hpp"

namespace ddls::pipeline {

// How a run is started: what its configuration does not say.
struct RunOptions {
  std::string command = "pipeline";  // as run.json names it
  std::filesystem::path out = {};    // its folder; empty: output.directory, or runs/NAME
  train::Resume resume = train::Resume::automatic;
  Shard shard = {};  // of the blocks that are sampled, for batch jobs that share one run folder
};

struct Run {
  config::Config config;
  std::filesystem::path folder;
  train::Resume resume = train::Resume::automatic;
  dist::Communicator& comm;
  train::RunLog log;
  data::Dataset train, test;  // test may be empty
  Shard shard = {};           // of the blocks that are sampled
  // `train` in two: what training sees, and what calibrates the score. All of it, and nothing, where nothing is fitted.
  data::Dataset seen = {}, held_out = {};
  std::optional<train::TrainedGan> given = {};  // of model.architecture pretrained, in the place of the GAN phase
  sampling::DrawnClasses classes = {};          // of a conditional model: those that `seen` has samples of
  std::string compiled = {};  // of a .pt2 archive: the instruction set of compiled programs that run; empty: none

  bool writes() const { return !shard.partial(); }  // what is one file of the run
  std::filesystem::path samples_of(const std::string& method) const { return folder / "samples" / method; }
  std::filesystem::path checkpoints() const { return folder / "checkpoints" / ""; }
  const data::Dataset& reference() const;  // evaluate.reference; throws Error(config) where there is none
};

// options.out, else output.directory, else runs/NAME.
std::filesystem::path folder_of(const RunOptions& options, const config::Config& config);

// What ranks must agree on: some of them would round otherwise than the others.
inline constexpr const char* compiled_programs = "whether compiled programs of the archive run (model.compiled)";

// **Collective.** Opens the folder, reads the data and a pretrained generator, and checks that all ranks see the same.
// Throws CollectiveError: config, missing, data.
Run open_run(config::Config config, const RunOptions& options, dist::Communicator& comm);

// **Collective.** The log, and config.yaml and run.json with it: these are written when the first work begins, so that
// a start that is refused leaves them as they were. `about`: what run.json says of this start besides program and
// machine; it keeps a line of every earlier one. A part of a job array (`shard`) writes none of it, and nothing else
// that the other parts would write too.
train::RunLog open_run_log(const std::filesystem::path& folder, const config::Config& config, dist::Communicator& comm,
                           const RunOptions& options, const Json& about);

// Fills `seen` and `held_out` from `train`. Throws Error(config).
void hold_out_reals(Run& run);

// What decides the ratio of a prior draw beside weights, seed and device: a part of keys.
void add_draw_conditions(Json& key, const Run& run);

// **Collective.** One number per stage in seconds.json, so that stages run as separate jobs, and starts that went on
// from one another, add up in the report; with --resume never a stage counts anew.
void note_seconds(Run& run, const std::string& stage, double seconds);

}  // namespace ddls::pipeline
