#include "base/error.hpp"
#include "base/files.hpp"
#include "base/json_text.hpp"
#include "ddls/calibration/sample_features.hpp"
#include "models/feature_head.hpp"
#include "models/state.hpp"
#include "pipeline/stages.hpp"
#include "tensor/frozen_features.hpp"
#include "train/tilt_calibration.hpp"

namespace ddls::pipeline {

void check_features(const Run& run) {
  const std::string& of_ratio = run.config.model.ratio_extractor;
  if (!of_ratio.empty() && run.train.images())  // on the device where the ratio will ask for it
    tensor::frozen_features(of_ratio, models::ratio_extractor_key, run.train.shape(), run.comm.topology().device);
  const config::CalibrationConfig& config = run.config.train.calibration;
  if (config.method != "tilt") return;
  const sampling::FeatureSource source{run.train.shape(), run.comm.topology().device, run.config.seed};
  for (const std::string& name : config.features) {
    const sampling::FeatureKind* kind = sampling::feature_kind(name);
    if (kind != nullptr && kind->needs_classifier) {
      if (!run.train.images() || run.train.classes() == 0)
        fail(Exit::config, "train.calibration.features: a {} needs images with labels, and {}; leave it out", name,
             run.train.why_no_labels());
    } else if (name == sampling::class_slopes) {
      if (run.config.model.classes == 0)
        fail(Exit::config, "train.calibration.features: {} are those of a conditional generator (model.classes)", name);
    } else if (kind == nullptr || !kind->needs_reals) {
      sampling::make_sample_features(name, source);
    }
  }
}

void apply_calibration(Run& run, TrainedTarget& trained, const std::optional<train::Calibration>& found) {
  const config::CalibrationConfig& config = run.config.train.calibration;
  if (config.method == "none") return;
  const sampling::Target raw = trained.target;
  Json record = found ? found->record : Json{{"method", config.method}, {"scale", config.scale}};
  if (!found) {
    trained.target = sampling::calibrated(raw, sampling::affine_map(config.scale, 0));
  } else if (config.method == "tilt") {
    run.comm.together(
        [&] { trained.target = raw.corrected(train::correction_of(*found, run.train.shape(), raw.device)); });
  } else if (config.method != "head") {  // a head is part of the network
    trained.target = sampling::calibrated(raw, train::score_map_of(*found, raw.device));
    if (config.method == "isotonic")
      trained.staircase = sampling::calibrated(raw, sampling::staircase_map(train::staircase_of(*found), raw.device));
  }
  trained.digest = hash64(json_text(record), trained.digest);
  if (found) trained.digest ^= models::digest_of(found->tensors);
  run.comm.on_root([&] {
    if (run.writes()) write_file(run.folder / "calibration.json", json_text(record, 2) + "\n");
  });
}

}  // namespace ddls::pipeline
