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
#include "pipeline/extractors.hpp"
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

// The metrics that have curves against the step, from the stored snapshots.
Json curve_of(Run& run, const metrics::MetricContext& whole, const metrics::Reference& reference,
              const fs::path& folder) {
  config::EvaluateConfig config = whole.config;
  const std::vector<std::string> cheap = metrics::metrics_with_curves();
  std::erase_if(config.metrics, [&](const std::string& metric) { return std::ranges::count(cheap, metric) == 0; });
  config.keep_statistics = false;  // of the end alone
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
std::vector<metrics::Extractor> evaluation_extractors(const Run& run, const std::vector<std::string>& files) {
  std::vector<metrics::Extractor> extractors =
      load_extractors(files, train::sample_shape(run.train), run.config.evaluate, run.comm.topology().device);
  const config::CalibrationConfig& calibration = run.config.train.calibration;
  const auto refuse_same = [&](const std::string& network, const char* key) {
    if (!fs::is_regular_file(network)) return;
    const auto same = std::ranges::find(extractors, sha256_of_file(network), &metrics::Extractor::sha256);
    if (same != extractors.end())
      fail(Exit::config,
           "evaluate.extractor: {} is also {}; what an energy is fitted to says nothing of its samples, so take "
           "another network for one of the two",
           files[static_cast<size_t>(same - extractors.begin())], key);
  };
  refuse_same(run.config.model.ratio_extractor, "model.ratio_extractor");
  if (calibration.method != "tilt") return extractors;
  for (const std::string& features : calibration.features) refuse_same(features, "in train.calibration.features");
  return extractors;
}

// **Collective.** With the training set where a metric asks for copies of it.
std::vector<metrics::Reference> prepared_references(Run& run, const std::vector<metrics::MetricContext>& contexts,
                                                    const metrics::EvaluationSet& reference) {
  if (contexts.front().needs().training_rows == 0) return metrics::prepare_references(contexts, reference);
  const metrics::EvaluationSet training = metrics::without_damaged(run.comm, metrics::set_for_run(run.train));
  return metrics::prepare_references(contexts, reference, &training);
}

// What report.json says of each network where there are several: "by_extractor", by name.
class ByExtractor {
 public:
  explicit ByExtractor(const std::vector<metrics::MetricContext>& contexts) {
    if (contexts.size() < 2) return;
    for (const metrics::MetricContext& context : contexts)
      parts_.push_back({context.extractor->name, {{"extractor", network_record(*context.extractor)}}});
  }

  void add_real(const std::vector<metrics::Judged>& judged) {
    for (size_t i = 0; i < parts_.size(); ++i) parts_[i].record["reference"]["metrics"] = judged[i].metrics;
  }
  void add_method(const std::string& method, const std::vector<metrics::Judged>& judged) {
    for (size_t i = 0; i < parts_.size(); ++i) parts_[i].record["methods"][method]["metrics"] = judged[i].metrics;
  }
  // Of the first method: all have as many samples.
  void add_protocols(const std::vector<metrics::MetricContext>& contexts, int64_t count,
                     const std::vector<metrics::Reference>& references) {
    for (size_t i = 0; i < parts_.size(); ++i) {
      Json& record = parts_[i].record;
      record["protocol"] =
          metrics::protocol_of(contexts[i], record["methods"].front()["metrics"], count, references[i]);
    }
  }
  bool empty() const { return parts_.empty(); }
  Json record() const {
    Json all = Json::object();
    for (const Part& part : parts_) all[part.name] = part.record;
    return all;
  }

 private:
  struct Part {
    std::string name;
    Json record;
  };
  std::vector<Part> parts_;
};

// **Collective.** `methods` of report.json.
Json judged_methods(Run& run, const std::vector<metrics::MetricContext>& contexts,
                    const std::vector<metrics::Reference>& references, const Json& energies, ByExtractor& each) {
  Json methods = Json::object();
  for (const std::string& name : run.config.sample.methods) {
    Json record = sampling::method_record(run.samples_of(name));
    const std::vector<metrics::Judged> judged =
        metrics::judge(contexts, read_samples(run, run.samples_of(name) / "samples.npz"), references);
    add_digest(record, judged.front().digest);
    record["metrics"] = judged.front().metrics;
    each.add_method(name, judged);
    if (!energies.empty() && is_short_run(name, run.config, record, energies.front())) record["short_run"] = true;
    Json curve = curve_of(run, contexts.front(), references.front(), run.samples_of(name));
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
  if (const fs::path times = run.folder / "step_times.json"; fs::exists(times))
    report["step_times"] = read_json_object(times);
  if (extractor) report["extractor"] = network_record(*extractor);
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
  const at::Tensor real = data.rows(metrics::ids_for_run(data, std::min(run.config.sample.count, shown)));
  tensor::write_npz(run.folder / "samples" / "real.npz",
                    {{"arr_0", (real.dim() == 4 ? real.permute({0, 2, 3, 1}) : real).contiguous()}});
}

// **Collective.**
std::vector<std::string> extractor_files(Run& run) {
  if (!run.config.evaluate.extractor.empty()) return run.config.evaluate.extractor;
  const fs::path own = run.folder / "extractor" / "classifier.pt";
  train::save_evaluation_classifier({run.config, run.train, run.checkpoints(), run.resume, run.log, run.comm}, own);
  return {own.string()};
}

}  // namespace

std::vector<metrics::Extractor> extractors_of(Run& run) {
  const std::vector<std::string> files = extractor_files(run);
  return run.comm.together([&] { return evaluation_extractors(run, files); });
}

metrics::Extractor extractor_of(Run& run) {
  const std::vector<std::string> first{extractor_files(run).front()};
  return run.comm.together([&] { return evaluation_extractors(run, first).front(); });
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
      evaluation_extractors(run, run.config.evaluate.extractor);
      return;
    }
    if (run.config.evaluate.resize != "none")
      fail(Exit::config,
           "evaluate.resize: without evaluate.extractor the run's own classifier sees the images as they are; leave it "
           "out, or name an extractor");
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
  std::vector<metrics::Extractor> extractors;
  if (run.train.images()) extractors = extractors_of(run);
  const std::vector<metrics::MetricContext> contexts =
      contexts_of(run.comm, run.config.evaluate, extractors, run.config.data.kind == "gaussians25");
  const metrics::MetricContext& context = contexts.front();
  ByExtractor each(contexts);

  metrics::EvaluationSet reference_set =
      metrics::without_damaged(run.comm, metrics::set_for_run(reference_data, run.config.evaluate.reference_count));
  reference_set.training = &reference_data == &run.train;
  log::info("evaluating against {} ({} samples)", reference_set.name, reference_set.count);
  const std::vector<metrics::Reference> references = prepared_references(run, contexts, reference_set);
  const metrics::Reference& reference = references.front();
  // Real samples that are not the reference, as many as were generated: what a perfect sampler would score.
  const data::Dataset& others = &reference_data == &run.test ? run.train : run.test;
  Json reference_record = metrics::record_of(run.comm, reference_set);
  add_digest(reference_record, reference.set.digest);
  if (others.size() >= 2) {
    metrics::EvaluationSet real =
        metrics::without_damaged(run.comm, metrics::set_for_run(others, run.config.sample.count));
    real.training = &others == &run.train;
    const std::vector<metrics::Judged> judged = metrics::judge(contexts, real, references);
    reference_record["metrics"] = judged.front().metrics;
    each.add_real(judged);
    reference_record["metrics_of"] =
        fmt::format("{} ({} {})", real.name, metrics::lies_class_by_class(others.labels) ? "drawn at random:" : "first",
                    real.count);
  }

  const Json energies = judged_energies(run, trained, context, reference);
  const Json methods = judged_methods(run, contexts, references, energies, each);
  if (context.extractor) search_neighbours(run, *context.extractor);
  note_seconds(run, "evaluate", watch.seconds());

  run.comm.on_root([&] {
    Json report = report_head(run, context.extractor, reference_record);
    const Json& first = methods.front();  // all methods have as many samples
    const auto count = first["count"].get<int64_t>();
    report["protocol"] = metrics::protocol_of(context, first["metrics"], count, reference);
    each.add_protocols(contexts, count, references);
    if (!each.empty()) report["by_extractor"] = each.record();
    if (!energies.empty()) report["energies"] = energies;
    report["methods"] = methods;
    write_file(run.folder / "report.json", json_text(report, 2) + "\n");
    keep_reals(run);
  });
}

}  // namespace ddls::pipeline
