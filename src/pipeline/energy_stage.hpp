#pragma once
// What the energy of a run is worth (ddls/worth.hpp), before it is sampled: measured once, kept in energies/NAME.json
// with the log-ratios beside it in NAME.npz, and taken from there by later starts.
#include <optional>

#include "pipeline/stages.hpp"
#include "tensor/npz.hpp"
#include "train/energy_ratios.hpp"

namespace ddls::pipeline {

struct JudgedEnergy {
  std::string name;     // the last thing that made r: discriminator, ratio, refined, or the method of a calibration
  Json record;          // energies.NAME of report.json, without the metrics of an evaluation
  std::string weights;  // TrainedTarget::digest of what was judged, in hexadecimal
};

int64_t energy_draws(const config::Config& config);  // evaluate.energy_draws, at most 20 per sample

// On rank 0: the record of JudgedEnergy and the arrays of NAME.npz (docs/formats.md, section 2). **Collective.**
struct MeasuredEnergy {
  Json record;
  tensor::NamedTensors arrays;
};
MeasuredEnergy measure_energy(const config::Config& config, const sampling::Target& target,
                              const train::JudgingReals& reals, dist::Communicator& comm);

std::string energy_name(const config::TrainConfig& train);

// **Collective.** Nothing where evaluate.energy_draws is 0 or no method of the run uses the ratio. Tells what was
// found; warns where the energy harms or few draws carry what is said of it. Throws as prior_log_ratios does.
std::optional<JudgedEnergy> judge_energy(Run& run, const TrainedTarget& trained);

// Throws CollectiveError(config) where a method of the run whose kernel is exact would sample an energy that is worse
// than none beyond its interval, unless sample.allow_bad_energy.
void refuse_bad_energy(const Run& run, const std::optional<JudgedEnergy>& energy);

// What is kept in the run's folder of the energy that the configuration asks for, on every rank; log-ratios of its
// pool, their classes (undefined: none). Nothing where there is none. **Collective.**
struct KeptEnergy {
  JudgedEnergy judged;
  at::Tensor log_ratios, labels;
};
std::optional<KeptEnergy> kept_energy(Run& run);

}  // namespace ddls::pipeline
