#include "base/error.hpp"
#include "base/files.hpp"
#include "base/json_text.hpp"
#include "ddls/calibration/sample_features.hpp"
#include "models/state.hpp"
#include "pipeline/stages.hpp"
#include "train/tilt_calibration.hpp"

namespace ddls {

void check_features(const Run& run) {
  const CalibrationConfig& config = run.config.train.calibration;
  if (config.method != "tilt") return;
  const FeatureSource source{run.train.shape(), run.comm.topology().device, run.config.seed};
  for (const std::string& name : config.features) {
    const FeatureKind* kind = feature_kind(name);
    if (kind != nullptr && kind->needs_classifier) {
      if (!run.train.images() || run.train.classes() == 0)
        fail(Exit::config, "train.calibration.features: a {} needs images with labels, and {}; leave it out", name,
             run.train.why_no_labels());
    } else if (name == class_slopes) {
      if (run.config.model.classes == 0)
        fail(Exit::config, "train.calibration.features: {} are those of a conditional generator (model.classes)", name);
    } else {
      make_sample_features(name, source);
    }
  }
}

void apply_calibration(Run& run, TrainedTarget& trained, const std::optional<Calibration>& found) {
  const CalibrationConfig& config = run.config.train.calibration;
  if (config.method == "none") return;
  const Target raw = trained.target;
  Json record = found ? found->record : Json{{"method", config.method}, {"scale", config.scale}};
  if (!found) {
    trained.target = calibrated(raw, affine_map(config.scale, 0));
  } else if (config.method == "tilt") {
    run.comm.together([&] { trained.target = raw.corrected(correction_of(*found, run.train.shape(), raw.device)); });
  } else if (config.method != "head") {  // a head is part of the network
    trained.target = calibrated(raw, score_map_of(*found, raw.device));
    if (config.method == "isotonic")
      trained.staircase = calibrated(raw, staircase_map(staircase_of(*found), raw.device));
  }
  trained.digest = hash64(json_text(record), trained.digest);
  if (found) trained.digest ^= digest_of(found->tensors);
  run.comm.on_root([&] {
    if (run.writes()) write_file(run.folder / "calibration.json", json_text(record, 2) + "\n");
    return std::string();
  });
}

}  // namespace ddls
