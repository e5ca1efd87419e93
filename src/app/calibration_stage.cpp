#include "app/run.hpp"
#include "base/files.hpp"
#include "base/json_text.hpp"
#include "models/state.hpp"
#include "train/calibrate.hpp"

namespace ddls {

void apply_calibration(Run& run, TrainedTarget& trained, const std::optional<Calibration>& found) {
  const CalibrationConfig& config = run.config.train.calibration;
  if (config.method == "none") return;
  const Target raw = trained.target;
  Json record = found ? found->record : Json{{"method", config.method}, {"scale", config.scale}};
  if (!found) {
    trained.target = calibrated(raw, affine_map(config.scale, 0));
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
