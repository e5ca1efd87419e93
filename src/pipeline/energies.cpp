#include "pipeline/energies.hpp"

#include <ATen/ATen.h>

#include "base/error.hpp"
#include "base/json_fields.hpp"
#include "base/json_text.hpp"
#include "config/load.hpp"
#include "ddls/foreign_gan.hpp"
#include "dist/failure.hpp"
#include "metrics/set_notes.hpp"
#include "pipeline/energy_metrics.hpp"
#include "version.hpp"

namespace ddls::pipeline {
namespace {

// --real as the discriminator takes it.
data::Dataset reals_for(const std::string& set, const config::Config& config, const std::vector<int64_t>& shape) {
  if (set.empty()) return {};
  data::Dataset reals = data::open_set(set, data::as_stored(config.data));
  if (reals.size() < 2) fail(Exit::data, "--real: '{}' has {} samples; at least 2 are needed", set, reals.size());
  if (reals.shape() != shape)
    fail(Exit::data, "--real: the samples of '{}' are [{}], the generator's [{}]", set, fmt::join(reals.shape(), ", "),
         fmt::join(shape, ", "));
  if (config.model.classes > 0 && reals.classes() == 0)
    fail(Exit::data, "--real: model.classes is {}, but {}", config.model.classes, reals.why_no_labels());
  return reals;
}

}  // namespace

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

Json energies_of_run(Run& run, const std::string& checkpoint) {
  dist::Communicator& comm = run.comm;
  const TrainedTarget trained = load_target(run, checkpoint);
  if (!judge_energy(run, trained))
    dist::all_fail(Exit::config,
                   "energy: evaluate.energy_draws is 0, or no method of sample.methods uses the ratio; there is no "
                   "energy to judge");
  std::optional<metrics::Extractor> extractor;
  if (run.train.images()) extractor = extractor_of(run);
  const metrics::MetricContext context{comm, run.config.evaluate, extractor ? &*extractor : nullptr,
                                       run.config.data.kind == "gaussians25"};
  const metrics::EvaluationSet reference =
      metrics::without_damaged(comm, metrics::set_for_run(run.reference(), run.config.evaluate.reference_count));
  return judged_energies(run, &trained, context, metrics::prepare_reference(context, reference));
}

Json energies_of_gan(config::Config config, const GanFiles& files, const OutsideReals& outside,
                     dist::Communicator& comm) {
  sampling::ForeignGan gan;
  data::Dataset real;
  std::optional<metrics::Extractor> extractor;
  comm.together([&] {
    gan = load_foreign_gan(files, config, comm.topology().device);
    if (!outside.set.empty() && !gan.target.score_by)
      fail(Exit::data, "--real: {} has no program 'score', which rates reals; export it with the discriminator",
           files.generator);
    real = reals_for(outside.set, config, gan.sample_shape);
    if (!outside.extractor.empty() && gan.sample_shape.size() == 3)
      extractor = metrics::load_extractor(outside.extractor, gan.sample_shape, comm.topology().device,
                                          metrics::resize_of(config.evaluate));
  });
  comm.require_same(hash64(config::to_yaml(config, false)), "the configuration");
  comm.require_same(gan.digest, "the files of the networks");
  comm.require_same(hash64(gan.compiled), compiled_programs);
  sampling::label_chains(gan.target, config.sample.labels, config.model.classes, tensor::Noise{config.seed});
  train::JudgingReals reals;
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
    const metrics::MetricContext context{comm, config.evaluate, extractor ? &*extractor : nullptr};
    const metrics::Reference reference =
        metrics::prepare_reference(context, metrics::set_for_run(real, config.evaluate.reference_count));
    record["metrics"] = metrics_of_energy(energy, gan.target, gan.sample_shape, config, context, reference);
  }
  return {{energy.judged.name, record}};
}

std::string energies_text(const Json& energies) {
  const Json result{
      {"schema", 1}, {"version", version::project}, {"git_commit", version::git_commit}, {"energies", energies}};
  return json_text(result, 2) + "\n";
}

}  // namespace ddls::pipeline
