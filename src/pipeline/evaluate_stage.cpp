#include <ATen/ATen.h>

#include <algorithm>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/json_fields.hpp"
#include "base/json_text.hpp"
#include "base/log.hpp"
#include "base/stopwatch.hpp"
#include "ddls/curve_file.hpp"
#include "ddls/method_record.hpp"
#include "device/device_of.hpp"
#include "metrics/set_metrics.hpp"
#include "metrics/set_notes.hpp"
#include "models/classifier.hpp"
#include "pipeline/energy_metrics.hpp"
#include "pipeline/stages.hpp"
#include "pipeline/set_record.hpp"
#include "report/run_data.hpp"
#include "tensor/npz.hpp"
#include "train/classifier_fit.hpp"
#include "version.hpp"

namespace ddls::pipeline {
namespace {

metrics::EvaluationSet read_samples(Run& run, const fs::path& file) {
  return run.comm.together([&] { return metrics::open_evaluation_set(file.string()); });
}

at::Tensor first_rows(const data::Dataset& data, int64_t count) {
  return data.rows(0, count > 0 ? std::min(count, data.size()) : data.size());
}

// The metrics that have curves against the step, from the stored snapshots.
Json curve_of(Run& run, const metrics::MetricContext& whole, const metrics::Reference& reference,
              const fs::path& folder) {
  config::EvaluateConfig config = whole.config;
  const std::vector<std::string> cheap = metrics::metrics_with_curves();
  std::erase_if(config.metrics, [&](const std::string& metric) { return std::ranges::count(cheap, metric) == 0; });
  const metrics::MetricContext context{whole.comm, config, whole.extractor, whole.gaussians25};
  Json curve = Json::array();
  if (!fs::is_directory(folder / "snapshots")) return curve;
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder / "snapshots"))
    if (entry.path().extension() == ".npz") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  for (const fs::path& file : files) {
    const std::string stem = file.stem().string();
    Json point{{"step", std::stoll(stem.substr(stem.find('-') + 1))}};
    point.update(metrics::metrics_of(context, read_samples(run, file), reference));
    curve.push_back(point);
  }
  return curve;
}

// Metrics along the chains, beside what the chains themselves tell, and in the run's log as phase "evaluate/METHOD".
void keep_curve(Run& run, const std::string& method, const Json& curve) {
  sampling::add_metrics(run.samples_of(method), std::vector<Json>(curve.begin(), curve.end()));
  const std::string phase = "evaluate/" + method;
  run.log.resume(phase, -1);
  for (const Json& point : curve) {
    std::vector<train::NamedValue> values;
    for (const auto& [name, value] : metrics::curve_values(point)) values.push_back({name, value});
    run.log.record(phase, point["step"].get<int64_t>(), values);
  }
}

// Throws Error(config) for the network that an energy was fitted to: it would judge its own work.
metrics::Extractor evaluation_extractor(const Run& run, const fs::path& file) {
  metrics::Extractor extractor =
      metrics::load_extractor(file, train::sample_shape(run.train), run.comm.topology().device);
  const config::CalibrationConfig& calibration = run.config.train.calibration;
  if (calibration.method != "tilt") return extractor;
  for (const std::string& features : calibration.features)
    if (fs::is_regular_file(features) && sha256_of_file(features) == extractor.sha256)
      fail(Exit::config,
           "evaluate.extractor: {} is also in train.calibration.features; what an energy is fitted to says nothing of "
           "its samples, so take another network for one of the two",
           file.string());
  return extractor;
}

// **Collective.** With the training set where a metric asks for copies of it.
metrics::Reference prepared_reference(Run& run, const metrics::MetricContext& context,
                                      const metrics::EvaluationSet& reference) {
  if (context.needs().training_rows == 0) return metrics::prepare_reference(context, reference);
  const metrics::EvaluationSet training = metrics::without_damaged(run.comm, metrics::set_of(run.train));
  return metrics::prepare_reference(context, reference, &training);
}

// **Collective.** `methods` of report.json.
Json judged_methods(Run& run, const metrics::MetricContext& context, const metrics::Reference& reference,
                    const Json& energies) {
  Json methods = Json::object();
  for (const std::string& name : run.config.sample.methods) {
    Json record = sampling::method_record(run.samples_of(name));
    record["metrics"] =
        metrics::metrics_of(context, read_samples(run, run.samples_of(name) / "samples.npz"), reference);
    if (!energies.empty() && is_short_run(name, run.config, record, energies.front())) record["short_run"] = true;
    Json curve = curve_of(run, context, reference, run.samples_of(name));
    if (!curve.empty()) {
      run.comm.on_root([&] { keep_curve(run, name, curve); });
      record["curve"] = std::move(curve);
    }
    methods[name] = std::move(record);
  }
  return methods;
}

// What is the same for all methods, on rank 0.
Json report_head(const Run& run, const metrics::Extractor* extractor, const Json& reference) {
  Json report{{"schema", 1},
              {"name", run.config.name},
              {"seed", run.config.seed},
              {"ranks", run.comm.ranks()},
              {"device", device::kind_of(run.comm.topology().device)},
              {"version", version::project},
              {"git_commit", version::git_commit}};
  report["seconds"] = read_json_object(run.folder / "seconds.json");
  if (extractor)
    report["extractor"] = {{"name", extractor->name}, {"sha256", extractor->sha256}, {"features", extractor->features}};
  report["reference"] = reference;
  if (!run.classes.all())
    report["classes"] = {{"model", run.classes.of_model()}, {"without_samples", run.classes.left_out()}};
  if (run.config.train.calibration.method != "none")
    report["calibration"] = read_json_object(run.folder / "calibration.json");
  report["data"] = {{"train", summary_of(run.train)}, {"test", summary_of(run.test)}};
  return report;
}

// Real samples beside the generated ones, for the pictures.
void keep_reals(const Run& run) {
  const data::Dataset& data = run.reference();
  const int64_t shown = data.images() ? report::kept_images : report::kept_points;
  const at::Tensor real = first_rows(data, std::min(run.config.sample.count, shown));
  tensor::write_npz(run.folder / "samples" / "real.npz",
                    {{"arr_0", (real.dim() == 4 ? real.permute({0, 2, 3, 1}) : real).contiguous()}});
}

}  // namespace

metrics::Extractor extractor_of(Run& run) {
  fs::path file = run.config.evaluate.extractor;
  if (file.empty()) {
    file = run.folder / "extractor" / "classifier.pt";
    train::save_evaluation_classifier({run.config, run.train, run.checkpoints(), run.resume, run.log, run.comm}, file);
  }
  return run.comm.together([&] { return evaluation_extractor(run, file); });
}

void check_evaluation(const Run& run) {
  if (run.test.size() > 0 && metrics::MetricContext{run.comm, run.config.evaluate}.needs().labels)
    run.comm.together([&] {
      metrics::match_labels(metrics::set_of(run.train), metrics::set_of(run.test));
    });  // samples have train's classes
  if (!run.train.images()) return;
  run.comm.together([&] {
    const models::SampleShape shape = train::sample_shape(run.train);
    if (!run.config.evaluate.extractor.empty()) {
      evaluation_extractor(run, run.config.evaluate.extractor);
      return;
    }
    if (run.train.classes() == 0)
      fail(Exit::config,
           "evaluate.extractor is not given, and there is nothing to train a classifier on: {}; name a TorchScript "
           "extractor",
           run.train.why_no_labels());
    models::Classifier(shape, run.config.model.classifier_widths, run.train.classes());
  });
}

void evaluate_stage(Run& run, const TrainedTarget* trained) {
  const Stopwatch watch;
  run.comm.together([&] {
    for (const std::string& name : run.config.sample.methods) sampling::method_record(run.samples_of(name));
  });
  run.comm.on_root([&] { run.log.work_begins(); });
  const data::Dataset& reference_data = run.reference();
  std::optional<metrics::Extractor> extractor;
  if (run.train.images()) extractor = extractor_of(run);
  const metrics::MetricContext context{run.comm, run.config.evaluate, extractor ? &*extractor : nullptr,
                                       run.config.data.kind == "gaussians25"};

  metrics::EvaluationSet reference_set =
      metrics::without_damaged(run.comm, metrics::set_of(reference_data, run.config.evaluate.reference_count));
  reference_set.training = &reference_data == &run.train;
  log::info("evaluating against {} ({} samples)", reference_set.name, reference_set.count);
  const metrics::Reference reference = prepared_reference(run, context, reference_set);
  // Real samples that are not the reference, as many as were generated: what a perfect sampler would score.
  const data::Dataset& others = &reference_data == &run.test ? run.train : run.test;
  Json reference_record = metrics::record_of(run.comm, reference_set);
  if (others.size() >= 2) {
    metrics::EvaluationSet real = metrics::without_damaged(run.comm, metrics::set_of(others, run.config.sample.count));
    real.training = &others == &run.train;
    reference_record["metrics"] = metrics::metrics_of(context, real, reference);
    reference_record["metrics_of"] = fmt::format("{} (first {})", real.name, real.count);
  }

  const Json energies = judged_energies(run, trained, context, reference);
  const Json methods = judged_methods(run, context, reference, energies);
  if (extractor) search_neighbours(run, *extractor);
  note_seconds(run, "evaluate", watch.seconds());

  run.comm.on_root([&] {
    Json report = report_head(run, context.extractor, reference_record);
    const Json& first = methods.front();  // all methods have as many samples
    report["protocol"] = metrics::protocol_of(context, first["metrics"], first["count"].get<int64_t>(), reference);
    if (!energies.empty()) report["energies"] = energies;
    report["methods"] = methods;
    write_file(run.folder / "report.json", json_text(report, 2) + "\n");
    keep_reals(run);
  });
}

}  // namespace ddls::pipeline
