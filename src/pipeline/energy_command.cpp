#include "pipeline/energy_command.hpp"

#include <ATen/ATen.h>

#include "base/error.hpp"
#include "base/json_fields.hpp"
#include "base/json_text.hpp"
#include "base/output.hpp"
#include "config/load.hpp"
#include "ddls/foreign_gan.hpp"
#include "dist/failure.hpp"
#include "metrics/set_notes.hpp"
#include "pipeline/energy_metrics.hpp"
#include "pipeline/sample_scripted.hpp"
#include "version.hpp"

namespace ddls {
namespace {

Json result_of(const Json& energies) {
  return {{"schema", 1}, {"version", version::project}, {"git_commit", version::git_commit}, {"energies", energies}};
}

// The report's word, which has the metrics, or else what sampling kept.
Json energies_in(const fs::path& folder) {
  if (!fs::is_directory(folder)) fail(Exit::missing, "'{}' is not a run's folder", folder.string());
  if (fs::exists(folder / "report.json")) {
    const Json report = read_json_object(folder / "report.json");
    if (report.contains("energies")) return report["energies"];
  }
  Json energies = Json::object();
  if (fs::is_directory(folder / "energies"))
    for (const auto& entry : fs::directory_iterator(folder / "energies"))
      if (entry.path().extension() == ".json")
        energies[entry.path().stem().string()] =
            json_field<Json>(read_json_object(entry.path()), "energy", entry.path());
  if (energies.empty())
    fail(Exit::missing, "'{}' says nothing of an energy; `ddls_dist energy --config FILE --out {}` judges it",
         folder.string(), folder.string());
  return energies;
}

Json energies_of_run(const CommandLine& line, Communicator& comm) {
  Run run = open_run(line, comm);
  const TrainedTarget trained = load_target(run, line.checkpoint);
  if (!judge_energy(run, trained))
    all_fail(Exit::config,
             "energy: evaluate.energy_draws is 0, or no method of sample.methods uses the ratio; there is no energy to "
             "judge");
  std::optional<Extractor> extractor;
  if (run.train.images()) extractor = extractor_of(run);
  const MetricContext context{comm, run.config.evaluate, extractor ? &*extractor : nullptr,
                              run.config.data.kind == "gaussians25"};
  const EvaluationSet reference = without_damaged(comm, set_of(run.reference(), run.config.evaluate.reference_count));
  return judged_energies(run, &trained, context, prepare_reference(context, reference));
}

// --real as the discriminator takes it.
Dataset reals_for(const CommandLine& line, const Config& config, const std::vector<int64_t>& shape) {
  if (line.real.empty()) return {};
  Dataset reals = open_set(line.real, as_stored(config.data));
  if (reals.size() < 2) fail(Exit::data, "--real: '{}' has {} samples; at least 2 are needed", line.real, reals.size());
  if (reals.shape() != shape)
    fail(Exit::data, "--real: the samples of '{}' are [{}], the generator's [{}]", line.real,
         fmt::join(reals.shape(), ", "), fmt::join(shape, ", "));
  if (config.model.classes > 0 && reals.classes() == 0)
    fail(Exit::data, "--real: model.classes is {}, but {}", config.model.classes, reals.why_no_labels());
  return reals;
}

Json energies_of_files(const CommandLine& line, Communicator& comm) {
  Config config;
  ForeignGan gan;
  Dataset real;
  std::optional<Extractor> extractor;
  comm.together([&] {
    config = foreign_config(line);
    gan = load_foreign_gan(line, config, comm.topology().device);
    real = reals_for(line, config, gan.sample_shape);
    if (!line.extractor.empty() && gan.sample_shape.size() == 3)
      extractor = load_extractor(line.extractor, gan.sample_shape, comm.topology().device);
  });
  comm.require_same(hash64(to_yaml(config, false)), "the configuration");
  comm.require_same(gan.digest, "the files of the networks");
  label_chains(gan.target, config.sample.labels, config.model.classes, Noise{config.seed});
  JudgingReals reals;
  if (real.size() > 0) reals = {&real, 0, std::min(real.size(), energy_draws(config))};
  const MeasuredEnergy measured = measure_energy(config, gan.target, reals, comm);
  const std::string text = comm.on_root([&] { return json_text(measured.record); });
  at::Tensor ratios = comm.root() ? measured.arrays.at("log_ratio") : at::empty({energy_draws(config)}, at::kDouble);
  comm.broadcast(ratios);
  KeptEnergy energy{{"discriminator", Json::parse(text), hex64(gan.digest)}, ratios, {}};
  if (gan.target.labels_of) energy.labels = gan.target.labels_of({0, ratios.numel()}).to(at::kLong);
  Json& record = energy.judged.record;
  const bool measurable = extractor || gan.sample_shape.size() == 1;
  if (reals.is_there() && measurable && record.contains("ess")) {
    const MetricContext context{comm, config.evaluate, extractor ? &*extractor : nullptr};
    const Reference reference = prepare_reference(context, set_of(real, config.evaluate.reference_count));
    record["metrics"] = metrics_of_energy(energy, gan.target, gan.sample_shape, config, context, reference);
  }
  return {{energy.judged.name, record}};
}

}  // namespace

std::string tell_energy(const CommandLine& line, Communicator& comm) {
  if (!line.json.empty()) comm.on_root([&] { return check_named_file(line.json), std::string(); });
  Json energies;
  if (!line.runs.empty())
    energies = Json::parse(comm.on_root([&] { return json_text(energies_in(line.runs.front())); }));
  else
    energies = line.generator.empty() ? energies_of_run(line, comm) : energies_of_files(line, comm);
  const std::string text = json_text(result_of(energies), 2) + "\n";
  comm.on_root([&] {
    if (!line.json.empty()) write_named_file(line.json, text);
    return std::string();
  });
  return text;
}

}  // namespace ddls
