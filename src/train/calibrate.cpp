#include "train/calibrate.hpp"

#include <ATen/ATen.h>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/json.hpp"
#include "base/log.hpp"
#include "ddls/calibration/head.hpp"
#include "ddls/calibration/platt.hpp"
#include "ddls/calibration/reliability.hpp"
#include "dist/failure.hpp"
#include "models/network.hpp"
#include "train/quarters.hpp"
#include "train/tilt_calibration.hpp"

namespace ddls::train {
namespace {

// One half of the measurements: scores [n], features [n, k] (k = 0 where they are not needed).
struct Half {
  sampling::ScoredFeatures real, fake;
};

Half half_of(const RealsAndFakes& measured, int64_t begin, int64_t count) {
  const auto split = [&](const at::Tensor& rows) {
    const at::Tensor part = rows.narrow(0, begin, count).to(at::kDouble);
    return sampling::ScoredFeatures{part.select(1, 0).contiguous(), part.narrow(1, 1, part.size(1) - 1)};
  };
  return {split(measured.real), split(measured.fake)};
}

at::Tensor scalar(double value) { return at::full({1}, value, at::kDouble); }

Json json_of(const sampling::Reliability& r) {
  return {{"cross_entropy", r.cross_entropy}, {"brier", r.brier}, {"ece", r.ece}, {"z", r.z}};
}

// What is fitted, as a function from scores and features to log-ratios, and as what is kept.
struct Fitted {
  std::function<at::Tensor(const sampling::ScoredFeatures&)> log_ratio;
  Calibration kept;
};

Fitted fit_by_platt(const Half& half) {
  const sampling::Platt fit = sampling::fit_platt(half.real.scores, half.fake.scores);
  return {[fit](const sampling::ScoredFeatures& s) { return s.scores * fit.alpha + fit.beta; },
          {{{"alpha", fit.alpha}, {"beta", fit.beta}}, {{"alpha", scalar(fit.alpha)}, {"beta", scalar(fit.beta)}}}};
}

Fitted fit_by_isotonic(const Half& half) {
  const sampling::Staircase stairs = sampling::fit_isotonic(half.real.scores, half.fake.scores);
  const sampling::ScoreMap map = sampling::cubic_map(stairs, at::kCPU);
  return {[map](const sampling::ScoredFeatures& s) { return map(s.scores).log_ratio; },
          {{{"steps", stairs.scores.numel()},
            {"lowest", stairs.log_ratios[0].item<double>()},
            {"highest", stairs.log_ratios[-1].item<double>()}},
           {{"scores", stairs.scores}, {"edges", stairs.edges}, {"log_ratios", stairs.log_ratios}}}};
}

Fitted fit_by_head(const Half& half, const models::LastLayer& old) {
  const sampling::HeadFit fit = sampling::fit_head(half.real, half.fake);
  const models::LastLayer head = sampling::head_of(fit, old);
  return {[fit](const sampling::ScoredFeatures& s) {
            return s.scores * fit.alpha + at::mv(s.features, fit.weight) + fit.offset;
          },
          {{{"alpha", fit.alpha}, {"features", fit.weight.numel()}, {"updates", fit.updates}},
           {{"weight", head.weight.cpu().contiguous()}, {"bias", head.bias.cpu().contiguous()}}}};
}

Calibration fit(const CalibrationTask& task, const RealsAndFakes& measured) {
  const std::string& method = task.config.train.calibration.method;
  const int64_t all = measured.real.size(0), count = quarters_of(all).fit;
  const Half learnt = half_of(measured, 0, count), reported = half_of(measured, count, all - count);
  for (const at::Tensor& t : {measured.real, measured.fake})
    if (!at::isfinite(t).all().item<bool>())
      fail(Exit::data, "calibration: some held-out scores are not finite numbers");
  const Fitted fitted = method == "platt"      ? fit_by_platt(learnt)
                        : method == "isotonic" ? fit_by_isotonic(learnt)
                                               : fit_by_head(learnt, task.score->last_layer());
  const sampling::Reliability before = sampling::reliability_of(reported.real.scores, reported.fake.scores),
                              after = sampling::reliability_of(fitted.log_ratio(reported.real),
                                                               fitted.log_ratio(reported.fake));
  Calibration calibration{{{"method", method}}, fitted.kept.tensors};
  calibration.record.update(fitted.kept.record);
  const Json sizes{{"fitted_on", count}, {"reported_on", all - count}};
  calibration.record["reals"] = sizes;
  calibration.record["fakes"] = sizes;
  calibration.record["before"] = json_of(before);
  calibration.record["after"] = json_of(after);
  log::info(
      "calibration by {}: on held-out samples cross-entropy {:.4g} -> {:.4g}, ECE {:.3g} -> {:.3g}, Z {:.3g} -> {:.3g}",
      method, before.cross_entropy, after.cross_entropy, before.ece, after.ece, before.z, after.z);
  return calibration;
}

// Scores first, then features where they are needed.
Measure measure_of(const CalibrationTask& task) {
  const auto scores = task.target.score_by;
  if (task.config.train.calibration.method != "head")
    return [scores](const at::Tensor& x, const at::Tensor& y) { return scores(x, y).unsqueeze(1); };
  ensure(task.score != nullptr, "a head is fitted to a network");
  return [scores, network = task.score](const at::Tensor& x, const at::Tensor& y) {
    return at::cat({scores(x, y).unsqueeze(1), network->features(x, y)}, 1);
  };
}

// What decides the fit beside weights and data; methods by likelihood have options of their own.
std::string key_of(const CalibrationTask& task) {
  const config::CalibrationConfig& config = task.config.train.calibration;
  std::string key = fmt::format("weights: {:016x}\nheld out: {:016x}\nmethod: {}\nseed: {}\n", task.weights,
                                task.held_out.digest(), config.method, task.config.seed);
  if (config.by_likelihood()) key += fmt::format("pool: {}\ness_floor: {}\n", config.pool, config.ess_floor);
  if (config.method == "tilt") {
    key += fmt::format("features: {}\ncomponents: {}\nproducts: {}\nridge: {}\nscore_ridge: {}\n",
                       fmt::join(config.features, " "), config.components, config.products, config.ridge,
                       config.score_ridge);
    for (const std::string& name : config.features)
      if (fs::exists(name)) key += sha256_of_file(name) + "\n";
  }
  return key;
}

Calibration fitted(const CalibrationTask& task, dist::Communicator& comm) {
  if (task.config.train.calibration.by_likelihood()) return fit_by_likelihood(task, comm);
  const HeldOutTask measured{task.target, task.held_out, task.config, task.as_trained};
  const RealsAndFakes rows = measure_held_out(measured, measure_of(task), comm);
  Calibration calibration;
  comm.on_root([&] { calibration = fit(task, rows); });
  return calibration;
}

}  // namespace

std::string calibrate(const CalibrationTask& task, dist::Communicator& comm) {
  CheckpointStore store(task.checkpoints, "calibrated", 1);
  std::string key;
  const std::string folder = comm.on_root([&] {
    key = key_of(task);
    const auto newest = task.resume == Resume::never ? std::nullopt : store.newest();
    return newest && read_checkpoint(*newest).state.value("key", "") == key ? newest->string() : std::string();
  });
  if (!folder.empty()) {
    log::info("calibration: complete (from its checkpoint)");
    return folder;
  }
  const Calibration calibration = fitted(task, comm);
  return comm.on_root([&] {
    Checkpoint checkpoint{task.networks, {{"key", key}, {"calibration", calibration.record}}};
    checkpoint.tensors["calibration"] = calibration.tensors;
    store.save(0, checkpoint);
    return store.path_of(0).string();
  });
}

std::optional<Calibration> calibration_of(const Checkpoint& checkpoint) {
  const auto tensors = checkpoint.tensors.find("calibration");
  if (tensors == checkpoint.tensors.end()) return std::nullopt;
  return Calibration{checkpoint.state.at("calibration"), tensors->second};
}

sampling::Staircase staircase_of(const Calibration& calibration) {
  const tensor::NamedTensors& t = calibration.tensors;
  return {t.at("scores"), t.at("edges"), t.at("log_ratios")};
}

sampling::ScoreMap score_map_of(const Calibration& calibration, c10::Device device) {
  if (calibration.record.value("method", "") == "isotonic")
    return sampling::cubic_map(staircase_of(calibration), device);
  return sampling::affine_map(calibration.tensors.at("alpha").item<double>(),
                              calibration.tensors.at("beta").item<double>());
}

models::LastLayer head_of(const Calibration& calibration) {
  return {calibration.tensors.at("weight"), calibration.tensors.at("bias")};
}

}  // namespace ddls::train
