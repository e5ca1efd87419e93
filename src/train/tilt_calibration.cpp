#include "train/tilt_calibration.hpp"

#include <ATen/ATen.h>

#include <cmath>

#include "base/error.hpp"
#include "base/json.hpp"
#include "base/log.hpp"
#include "ddls/calibration/reliability.hpp"
#include "ddls/calibration/tilt.hpp"
#include "ddls/worth.hpp"
#include "dist/failure.hpp"
#include "models/network.hpp"
#include "train/quarters.hpp"
#include "train/tilt_choice.hpp"

namespace ddls::train {
namespace {

struct NamedFeatures {
  std::vector<std::string> names;
  std::vector<sampling::SampleFeatures> features;
};

// Some of them, as the generator gives samples; on every rank. **Collective.**
at::Tensor reals_that_fit(const CalibrationTask& task, const HeldOutTask& measured, dist::Communicator& comm) {
  constexpr int64_t most = 20'000;
  const int64_t count = std::min(most, quarters_of(task.held_out.size()).fit);
  const Measure as_they_are = [](const at::Tensor& samples, const at::Tensor&) { return samples.flatten(1); };
  at::Tensor rows = measure_reals(measured, as_they_are, {0, count}, comm);
  const models::SampleShape sample = task.held_out.shape();
  if (!comm.root()) rows = at::empty({count, c10::multiply_integers(sample)});
  rows = rows.to(at::kFloat).contiguous();
  comm.broadcast(rows);
  return rows;
}

// Those of the configuration, or what suits the data. **Collective**: the classifier may be trained for it.
NamedFeatures features_for(const CalibrationTask& task, const HeldOutTask& measured, dist::Communicator& comm) {
  const models::SampleShape sample = task.held_out.shape();
  NamedFeatures wanted{task.config.train.calibration.features, {}};
  if (wanted.names.empty()) {
    if (sample.size() != 3)
      wanted.names = {"waves", "clusters"};
    else
      wanted.names = {"pixels", task.classifier ? "classifier" : "convolutions"};
  }
  std::erase(wanted.names, sampling::class_slopes);
  sampling::FeatureSource source{sample, task.target.device, task.config.seed};
  const auto any_needs = [&](bool sampling::FeatureKind::*what) {
    return std::any_of(wanted.names.begin(), wanted.names.end(), [&](const std::string& name) {
      const sampling::FeatureKind* kind = sampling::feature_kind(name);
      return kind != nullptr && kind->*what;
    });
  };
  if (any_needs(&sampling::FeatureKind::needs_classifier)) {
    if (!task.classifier)
      dist::all_fail(Exit::config,
                     "train.calibration.features: a classifier needs labels, and a run of its own; choose pixels, "
                     "convolutions, or a .pt2 or TorchScript file");
    source.classifier = task.classifier();
  }
  if (any_needs(&sampling::FeatureKind::needs_reals)) source.reals = reals_that_fit(task, measured, comm);
  comm.together([&] {
    for (const std::string& name : wanted.names)
      wanted.features.push_back(sampling::make_sample_features(name, source));
  });
  return wanted;
}

// Principal components of one kind among the reals that fit, in units of their deviation.
sampling::FeatureComponents standard_components(const at::Tensor& rows, int64_t most) {
  if (!at::isfinite(rows).all().item<bool>())
    fail(Exit::data, "calibration: features of reals that are not finite numbers");
  sampling::FeatureComponents components = sampling::principal_components_of_many(rows, most);
  components.directions = components.directions / components.of(rows).to(at::kDouble).std(0).to(at::kFloat);
  return components;
}

struct GroupedComponents {
  sampling::FeatureComponents components;  // of one group after the other, each of its own features alone
  std::vector<int64_t> counts;             // empty: one group
};

GroupedComponents components_of_groups(const at::Tensor& rows, const std::vector<int64_t>& widths, int64_t most) {
  if (widths.empty()) return {standard_components(rows, most), {}};
  std::vector<at::Tensor> means, directions;
  std::vector<int64_t> counts;
  int64_t begin = 0;
  for (const int64_t width : widths) {
    const sampling::FeatureComponents group = standard_components(rows.narrow(1, begin, width), most);
    means.push_back(group.mean);
    directions.push_back(group.directions);
    counts.push_back(group.count());
    begin += width;
  }
  return {{at::cat(means), at::block_diag(directions)}, counts};
}

// The root's, to every rank. **Collective**, with as many groups on all.
void share(GroupedComponents& of_root, dist::Communicator& comm) {
  std::vector<int64_t> sizes{0, 0};
  if (comm.root()) sizes = of_root.components.directions.sizes().vec();
  sizes.insert(sizes.end(), of_root.counts.begin(), of_root.counts.end());
  at::Tensor all = at::tensor(sizes, at::kLong);
  comm.broadcast(all);
  const int64_t features = all[0].item<int64_t>(), components = all[1].item<int64_t>();
  for (size_t i = 0; i < of_root.counts.size(); ++i)
    of_root.counts[i] = all[2 + static_cast<int64_t>(i)].item<int64_t>();
  if (!comm.root()) of_root.components = {at::empty({features}), at::empty({features, components})};
  comm.broadcast(of_root.components.mean);
  comm.broadcast(of_root.components.directions);
}

// The same on every rank.
std::vector<sampling::TiltTerms> terms_of(const CalibrationTask& task, const HeldOutTask& measured,
                                          const NamedFeatures& named, dist::Communicator& comm) {
  const config::CalibrationConfig& config = task.config.train.calibration;
  std::vector<sampling::TiltTerms> all;
  for (size_t i = 0; i < named.features.size(); ++i) {
    const sampling::SampleFeatures& features = named.features[i];
    const Measure raw = [&](const at::Tensor& samples, const at::Tensor&) { return features.of(samples); };
    const at::Tensor rows = measure_reals(measured, raw, {0, quarters_of(task.held_out.size()).fit}, comm);
    GroupedComponents found;
    found.counts.resize(features.groups.size());
    comm.on_root([&] { found = components_of_groups(rows, features.groups, config.components); });
    share(found, comm);
    const sampling::FeatureComponents& components = found.components;
    const c10::Device device = task.target.device;
    const sampling::FeatureKind* kind = sampling::feature_kind(named.names[i]);
    const bool correlated = kind == nullptr || kind->correlated;  // a file is a network
    all.push_back({{components.mean.to(device), components.directions.to(device)},
                   correlated ? config.products : 0,
                   kind == nullptr || kind->squares,
                   found.counts});
  }
  return all;
}

// Score and columns of every part, and the class last where there are classes.
Measure measure_of(const CalibrationTask& task, const NamedFeatures& named,
                   const std::vector<sampling::TiltTerms>& terms) {
  return [&task, &named, &terms](const at::Tensor& samples, const at::Tensor& labels) {
    std::vector<at::Tensor> columns{task.target.score_by(samples, labels).to(at::kFloat).unsqueeze(1)};
    for (size_t i = 0; i < terms.size(); ++i) columns.push_back(terms[i].of(named.features[i].of(samples)));
    if (labels.defined()) columns.push_back(labels.to(at::kFloat).unsqueeze(1));
    return at::cat(columns, 1);
  };
}

sampling::LabelledRows labelled(const at::Tensor& rows, bool classes) {
  const at::Tensor wide = rows.to(at::kDouble);
  if (!at::isfinite(wide).all().item<bool>())
    fail(Exit::data, "calibration: some held-out scores or features are not finite numbers");
  if (!classes) return {wide, {}};
  return {wide.narrow(1, 0, wide.size(1) - 1).contiguous(), wide.select(1, -1).to(at::kLong)};
}

TiltColumns columns_of(const CalibrationTask& task, const std::vector<sampling::TiltTerms>& terms) {
  TiltColumns columns;
  for (const sampling::TiltTerms& part : terms) columns.parts.push_back(part.columns());
  const auto& wanted = task.config.train.calibration.features;
  columns.class_slopes =
      task.config.model.classes > 0 && std::find(wanted.begin(), wanted.end(), sampling::class_slopes) != wanted.end();
  return columns;
}

Json worth_json(const sampling::LogRatios& real, const sampling::LogRatios& pool, uint64_t seed) {
  const sampling::Interval nats = sampling::nats_gained(real, pool, seed);
  const sampling::PoolWorth worth = sampling::pool_worth(pool);
  return {{"nats", nats.mean}, {"nats_low", nats.low}, {"nats_high", nats.high}, {"ess", worth.ess_fraction}};
}

Json reported(const Reported& r, uint64_t seed) {
  const int64_t n = std::min(r.real.values.numel(), r.pool.values.numel());
  const sampling::Reliability reliability =
      sampling::reliability_of(r.real.values.narrow(0, 0, n), r.pool.values.narrow(0, 0, n));
  Json json{{"cross_entropy", reliability.cross_entropy},
            {"brier", reliability.brier},
            {"ece", reliability.ece},
            {"z", reliability.z}};
  json.update(worth_json(r.real, r.pool, seed));
  return json;
}

sampling::Tilt tilt_from(const TiltChoice& choice, const NamedFeatures& named,
                         const std::vector<sampling::TiltTerms>& terms, std::vector<sampling::SampleFeatures>& kept) {
  sampling::Tilt tilt{choice.slopes, choice.offsets, {}};
  for (size_t i = 0; i < named.names.size(); ++i) {
    if (!choice.parts[i].defined()) continue;
    const at::Tensor& w = choice.parts[i];
    tilt.parts.push_back(
        {named.names[i], terms[i].components, sampling::tilt_bound, terms[i].linear(w), terms[i].quadratic(w)});
    kept.push_back(named.features[i]);
  }
  return tilt;
}

Json features_record(const NamedFeatures& named, const std::vector<sampling::TiltTerms>& terms,
                     const TiltChoice& choice) {
  Json list = Json::array();
  for (size_t i = 0; i < named.names.size(); ++i) {
    Json one{{"name", named.names[i]},
             {"components", terms[i].components.count()},
             {"columns", terms[i].columns()},
             {"used", choice.parts[i].defined()}};
    if (!terms[i].groups.empty()) one["groups"] = terms[i].groups;
    if (i < choice.nats_without.size()) one["nats_without"] = choice.nats_without[i];
    if (!named.features[i].fingerprint.empty()) one["sha256"] = named.features[i].fingerprint;
    list.push_back(one);
  }
  return list;
}

Calibration calibration_from(const CalibrationTask& task, const TiltChoice& choice, const NamedFeatures& named,
                             const std::vector<sampling::TiltTerms>& terms) {
  const config::CalibrationConfig& config = task.config.train.calibration;
  Calibration calibration{{{"method", config.method}}, {}};
  Json& record = calibration.record;
  if (config.method == "temperature") {
    const double alpha = choice.slopes[0].item<double>(), beta = choice.offsets.mean().item<double>();
    record.update({{"alpha", alpha}, {"beta", beta}});
    calibration.tensors = {{"alpha", at::full({1}, alpha, at::kDouble)}, {"beta", at::full({1}, beta, at::kDouble)}};
  } else {
    std::vector<sampling::SampleFeatures> kept;
    const sampling::Tilt tilt = tilt_from(choice, named, terms, kept);
    calibration.tensors = sampling::tensors_of(tilt, kept);
    record["alpha"] = choice.slopes.mean().item<double>();
    record["ridge"] = choice.ridge;
    record["feature_kinds"] = features_record(named, terms, choice);
    Json tried = Json::array();
    for (const TiltCandidate& c : choice.tried) tried.push_back({{"ridge", c.ridge}, {"nats", c.nats}, {"ess", c.ess}});
    record["tried"] = tried;
  }
  record["reals"] = {{"fitted_on", choice.reals.fitted}, {"reported_on", choice.reals.reported}};
  record["fakes"] = {{"fitted_on", choice.pool.fitted}, {"reported_on", choice.pool.reported}};
  record["before"] = reported(choice.before, task.config.seed);
  record["after"] = reported(choice.after, task.config.seed);
  return calibration;
}

void tell(const Json& record, double ess_floor) {
  const Json &before = record["before"], &after = record["after"];
  log::info(
      "calibration by {}: on held-out samples {:.3g} nats (score as it is: {:.3g}), effective sample size {:.3g} % of "
      "prior draws (as it is: {:.3g} %)",
      record["method"].get<std::string>(), after["nats"].get<double>(), before["nats"].get<double>(),
      100 * after["ess"].get<double>(), 100 * before["ess"].get<double>());
  if (after["nats_high"].get<double>() < 0)
    log::warning(
        "calibration: the energy takes samples away from the data ({:.3g} nats on held-out reals); hold out more "
        "(train.calibration.held_out), or fit a ratio (train.ratio.steps)",
        after["nats"].get<double>());
  // The floor held where the ridge was chosen. That is an estimate, in which few draws may count for much.
  if (after["ess"].get<double>() < ess_floor)
    log::warning(
        "calibration: of prior draws that no fit saw {:.3g} % are effective, not the {:.3g} % of "
        "train.calibration.ess_floor: few draws carry the weights; raise train.calibration.pool, or the floor",
        100 * after["ess"].get<double>(), 100 * ess_floor);
}

}  // namespace

Calibration fit_by_likelihood(const CalibrationTask& task, dist::Communicator& comm) {
  const config::CalibrationConfig& config = task.config.train.calibration;
  const HeldOutTask measured{task.target, task.held_out, task.config, task.as_trained};
  NamedFeatures named;
  if (config.method == "tilt") named = features_for(task, measured, comm);
  const std::vector<sampling::TiltTerms> terms = terms_of(task, measured, named, comm);
  const Measure measure = measure_of(task, named, terms);
  const at::Tensor real = measure_reals(measured, measure, {0, task.held_out.size()}, comm),
                   pool = measure_draws(measured, measure, config.pool, comm);
  Calibration calibration;
  comm.on_root([&] {
    const bool classes = task.config.model.classes > 0;
    const TiltChoice choice =
        config.method == "temperature"
            ? choose_temperature(labelled(real, classes), labelled(pool, classes), config)
            : choose_tilt(labelled(real, classes), labelled(pool, classes), columns_of(task, terms), config);
    calibration = calibration_from(task, choice, named, terms);
    tell(calibration.record, config.ess_floor);
  });
  return calibration;
}

sampling::RatioCorrection correction_of(const Calibration& calibration, const models::SampleShape& sample,
                                        c10::Device device) {
  std::vector<std::string> names;
  std::vector<sampling::SampleFeatures> features;
  for (const Json& entry : calibration.record.at("feature_kinds")) {
    if (!entry.at("used").get<bool>()) continue;
    const tensor::NamedTensors kept = sampling::kept_features(calibration.tensors, names.size());
    names.push_back(entry.at("name").get<std::string>());
    sampling::FeatureSource source{sample, device, 0};
    source.kept = &kept;
    features.push_back(sampling::make_sample_features(names.back(), source));
    if (features.back().fingerprint != entry.value("sha256", ""))
      fail(Exit::data,
           "{}: another file than that whose features the energy was fitted to; put that back, or run 'ddls_dist "
           "train' again",
           names.back());
  }
  return sampling::correction_of(sampling::tilt_of(calibration.tensors, names), features, device);
}

}  // namespace ddls::train
