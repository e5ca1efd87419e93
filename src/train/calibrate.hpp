#pragma once
// The last phase: the score that training left is made a log-ratio on held-out reals and as many fakes
// (docs/algorithm.md, equations 11 to 13). One half of them fits, the other half is reported on.
#include <functional>
#include <map>

#include "base/json.hpp"
#include "ddls/calibration/isotonic.hpp"
#include "models/network_fwd.hpp"
#include "train/checkpoint.hpp"
#include "train/held_out_scores.hpp"
#include "train/phase.hpp"

namespace ddls::models {
struct LastLayer;  // models/network.hpp
}  // namespace ddls::models

namespace ddls::train {

struct Calibration {
  Json record;  // for the report: method, sizes, coefficients, reliability before and after
  tensor::NamedTensors
      // platt, temperature: alpha, beta; isotonic: a staircase; head: weight, bias; tilt: ddls/calibration/tilt.hpp
      tensors;
};

struct CalibrationTask {
  const config::Config& config;  // train.calibration.fitted()
  const data::Dataset& held_out;
  bool as_trained = true;          // measure_held_out
  const sampling::Target& target;  // its score is as training left it
  models::NetworkPtr score;        // the network behind it, for method head; may be null for the others
  uint64_t weights = 0;            // digest of what is calibrated
  std::map<std::string, tensor::NamedTensors>
      networks;  // kept beside the calibration, so that its folder can be sampled from
  std::filesystem::path checkpoints;
  Resume resume = Resume::automatic;
  // **Collective.** A classifier of the labels for the features of a tilt: trained, frozen, on the device. Empty: there
  // is none.
  std::function<models::NetworkPtr()> classifier = {};
};

// **Collective.** Returns the checkpoint folder calibrated-00000000, which is made anew only where another calibration,
// or one of other weights or data, lies there. Throws Error(data) where scores do not tell reals from fakes.
std::string calibrate(const CalibrationTask& task, dist::Communicator& comm);

std::optional<Calibration> calibration_of(const Checkpoint& checkpoint);  // nothing where it holds none

// A factor and an offset, or the cubic of the isotonic map.
sampling::ScoreMap score_map_of(const Calibration& calibration, c10::Device device);
sampling::Staircase staircase_of(const Calibration& calibration);
models::LastLayer head_of(const Calibration& calibration);

}  // namespace ddls::train
