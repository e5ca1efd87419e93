#pragma once
// The stages of a run. They talk through files in its folder, so each can be its own job. All but check_features are
// **collective**.
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "ddls/target.hpp"
#include "metrics/features.hpp"
#include "models/network_fwd.hpp"
#include "pipeline/run.hpp"

namespace ddls::train {
struct Calibration;  // train/calibrate.hpp
}  // namespace ddls::train

namespace ddls::pipeline {

// The networks that are sampled from, and a digest of their weights.
struct TrainedTarget {
  sampling::Target target;
  std::optional<sampling::Target> staircase = {};  // of an isotonic calibration: for methods that need no gradient
  uint64_t digest = 0;
};

// Train, sample, evaluate and report, with what any of them would refuse refused first. Returns what report_stage
// returns.
std::string run_pipeline(Run& run);

TrainedTarget train_stage(Run& run);
// Of a checkpoint's folder; "": of the run's newest. Throws CollectiveError(missing) where there is none.
TrainedTarget load_target(Run& run, const std::string& checkpoint);

// Not collective. Throws Error where a ratio or a tilt could not have the features that it is to be fitted to: config,
// missing, data.
void check_features(const Run& run);
// Puts train.calibration in front of the target's score, or leaves it where there is none; `found` is what was fitted.
// Notes it in calibration.json, for the report.
void apply_calibration(Run& run, TrainedTarget& trained, const std::optional<train::Calibration>& found);

void sample_stage(Run& run, const TrainedTarget& trained);

// Throws what evaluate_stage would find missing (extractor, labels), before the work starts.
void check_evaluation(const Run& run);
// Writes report.json. `trained`: what made the samples; null: the newest networks of the run, where they are there.
void evaluate_stage(Run& run, const TrainedTarget* trained = nullptr);
// samples/METHOD/neighbours.npz of every method, as evaluate.neighbours asks; images only.
void search_neighbours(Run& run, const metrics::Extractor& extractor);
// The extractors of the configuration, or the classifier of the run, trained now if it is not there. Images only.
std::vector<metrics::Extractor> extractors_of(Run& run);
metrics::Extractor extractor_of(Run& run);  // the first of them
// What the trainer calls every train.evaluate_every steps; empty where that is 0. Makes its reference now.
std::function<std::vector<train::NamedValue>(const models::NetworkPtr& generator)> training_evaluator(Run& run);

void picture_stage(Run& run);        // the pictures alone, of a `sample` that no report follows
std::string report_stage(Run& run);  // pictures and report.html; returns a summary for the terminal

}  // namespace ddls::pipeline
