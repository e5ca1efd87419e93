#pragma once
// A run: its configuration, its folder, and what the stages share. Stages talk through files in the folder, so each can
// be its own job. All stage functions are **collective**.
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "app/command_line.hpp"
#include "config/config.hpp"
#include "data/dataset.hpp"
#include "ddls/labels.hpp"
#include "ddls/target.hpp"
#include "dist/communicator.hpp"
#include "metrics/features.hpp"
#include "train/run_log.hpp"

namespace ddls {

using Json = nlohmann::ordered_json;
struct Calibration;  // train/calibrate.hpp

struct Run {
  Config config;
  std::filesystem::path folder;
  Resume resume = Resume::automatic;
  Communicator& comm;
  RunLog log;
  Dataset train, test;  // test may be empty
  Shard shard = {};     // of the blocks that are sampled
  // `train` in two: what training sees, and what calibrates the score. All of it, and nothing, where nothing is fitted.
  Dataset seen = {}, held_out = {};
  DrawnClasses classes = {};  // of a conditional model: those that `seen` has samples of

  bool writes() const { return !shard.partial(); }  // what is one file of the run
  std::filesystem::path samples_of(const std::string& method) const { return folder / "samples" / method; }
  std::filesystem::path checkpoints() const { return folder / "checkpoints" / ""; }
  const Dataset& reference() const;  // evaluate.reference; throws Error(config) where there is none
};

// Fills `seen` and `held_out` from `train`. Throws Error(config).
void hold_out_reals(Run& run);

// --out, else output.directory, else runs/NAME.
std::filesystem::path folder_of(const CommandLine& line, const Config& config);
// The log, and config.yaml and run.json with it: these are written when the first work begins, so that a start that is refused
// leaves them as they were. `about`: what run.json says of this start besides program and machine; it keeps a line of every
// earlier one. A part of a job array (`shard`) writes none of it, and nothing else that the other parts would write too.
RunLog open_run_log(const std::filesystem::path& folder, const Config& config, Communicator& comm,
                    const CommandLine& line, const Json& about);
// Opens the folder, reads the data, and checks that all ranks see the same.
Run open_run(const CommandLine& line, Communicator& comm);

// The networks that are sampled from, and a digest of their weights.
struct TrainedTarget {
  Target target;
  std::optional<Target> staircase = {};  // of an isotonic calibration: for methods that need no gradient
  uint64_t digest = 0;
};
TrainedTarget train_stage(Run& run);
TrainedTarget load_target(Run& run, const std::string& checkpoint);  // "": the run's newest

// Not collective. Throws Error where a tilt could not have the features that it is to be fitted to: config, missing, data.
void check_features(const Run& run);
// **Collective.** Puts train.calibration in front of the target's score, or leaves it where there is none; `found` is what was
// fitted. Notes it in calibration.json, for the report.
void apply_calibration(Run& run, TrainedTarget& trained, const std::optional<Calibration>& found);

void sample_stage(Run& run, const TrainedTarget& trained);
// Throws what evaluate_stage would find missing (extractor, labels), before the work starts.
void check_evaluation(const Run& run);
// Writes report.json. `trained`: what made the samples; null: the newest networks of the run, where they are there.
void evaluate_stage(Run& run, const TrainedTarget* trained = nullptr);
// samples/METHOD/neighbours.npz of every method, as evaluate.neighbours asks; images only.
void search_neighbours(Run& run, const Extractor& extractor);
// The extractor of the configuration, or the classifier of the run, trained now if it is not there. Images only.
Extractor extractor_of(Run& run);
// What the trainer calls every train.evaluate_every steps; empty where that is 0. Makes its reference now.
std::function<std::vector<NamedValue>(const NetworkPtr& generator)> training_evaluator(Run& run);
void picture_stage(Run& run);  // the pictures alone, of a `sample` that no report follows
void report_stage(Run& run);   // pictures, report.html, and a summary on the terminal

// What decides the ratio of a prior draw beside weights, seed and device: a part of keys.
void add_draw_conditions(Json& key, const Run& run);

// One number per stage in seconds.json, so that stages run as separate jobs, and starts that went on from one another, add up in
// the report; with --resume never a stage counts anew.
void note_seconds(Run& run, const std::string& stage, double seconds);

}  // namespace ddls
