#include "pipeline/evaluate_sets.hpp"

#include <ATen/ATen.h>

#include <optional>

#include "base/error.hpp"
#include "base/json.hpp"
#include "base/json_text.hpp"
#include "metrics/evaluation_set.hpp"
#include "metrics/set_metrics.hpp"
#include "metrics/set_notes.hpp"
#include "metrics/statistics_file.hpp"
#include "pipeline/set_record.hpp"
#include "version.hpp"

namespace ddls::pipeline {
namespace {

// The network both sets go through; none for points and where both are statistics.
std::optional<metrics::Extractor> extractor_for(const std::string& file, const metrics::EvaluationSet& fake,
                                                const metrics::EvaluationSet& real, c10::Device device) {
  const metrics::EvaluationSet& images = fake.images ? fake : real;
  if (!images.images) return std::nullopt;
  const metrics::EvaluationSet& other = fake.images ? real : fake;
  if (!other.images && !other.statistics_only())
    fail(Exit::data, "--fake and --real: one holds images, the other points");
  if (file.empty()) fail(Exit::usage, "evaluate: images need --extractor E.pt");
  metrics::Extractor extractor = metrics::load_extractor(file, images.sample_shape, device);
  for (const metrics::EvaluationSet* set : {&fake, &real})
    if (set->statistics)
      metrics::require_provenance(set->statistics_file, metrics::read_provenance(set->statistics_file),
                                  {{"extractor_sha256", extractor.sha256}});
  return extractor;
}

metrics::EvaluationSet open_training(const std::string& path, const data::DecodeOptions& options,
                                     const metrics::EvaluationSet& fake) {
  metrics::EvaluationSet training = metrics::open_evaluation_set(path, options);
  if (training.statistics_only()) fail(Exit::data, "--train: '{}' holds statistics only; samples are needed", path);
  if (!fake.statistics_only() && training.images != fake.images)
    fail(Exit::data, "--fake and --train: one holds images, the other points");
  if (!fake.statistics_only() && !fake.images && training.sample_shape != fake.sample_shape)
    fail(Exit::data, "--train: points of {} dimensions, those of --fake have {}", training.sample_shape.at(0),
         fake.sample_shape.at(0));
  return training;
}

// **Collective.**
Json record_of(const metrics::MetricContext& context, const metrics::EvaluationSet& set) {
  Json record = metrics::record_of(context.comm, set);
  if (set.left_out) record["left_out"] = pipeline::record_of(*set.left_out);
  if (!set.statistics_only() && metrics::uses_given_statistics(context, set))
    record["frechet_distance_of"] = "mu and sigma of the file";
  return record;
}

}  // namespace

std::string evaluate_sets(const config::Config& config, const SetPair& sets, dist::Communicator& comm) {
  metrics::EvaluationSet fake, real;
  std::optional<metrics::EvaluationSet> training;
  std::optional<metrics::Extractor> extractor;
  comm.together([&] {
    const data::DecodeOptions options = data::as_stored(config.data);
    fake = metrics::open_evaluation_set(sets.fake, options);
    real = metrics::open_evaluation_set(sets.real, options);
    if (!sets.train.empty()) training = open_training(sets.train, options, fake);
    const std::string& file = sets.extractor.empty() ? config.evaluate.extractor : sets.extractor;
    extractor = extractor_for(file, fake, real, comm.topology().device);
    if (metrics::MetricContext{comm, config.evaluate}.needs().labels)
      metrics::match_labels(fake, real);  // refused before the work
  });
  if (comm.root())
    for (const metrics::EvaluationSet* set : {&fake, &real})
      tell_of_set(set->name, set->count, set->left_out.value_or(data::LeftOut{}), set->unlabelled);
  fake = metrics::without_damaged(comm, std::move(fake));
  real = metrics::without_damaged(comm, std::move(real));
  const metrics::MetricContext context{comm, config.evaluate, extractor ? &*extractor : nullptr};
  if (training) training = metrics::without_damaged(comm, std::move(*training));
  const metrics::Reference reference = metrics::prepare_reference(context, real, training ? &*training : nullptr);
  const Json metrics = metrics::metrics_of(context, fake, reference);

  Json result{{"schema", 1},           {"version", version::project},      {"git_commit", version::git_commit},
              {"ranks", comm.ranks()}, {"fake", record_of(context, fake)}, {"reference", record_of(context, real)}};
  if (training) result["training"] = record_of(context, *training);
  if (extractor)
    result["extractor"] = {{"name", extractor->name}, {"sha256", extractor->sha256}, {"features", extractor->features}};
  result["protocol"] = metrics::protocol_of(context, metrics, fake.count, reference);
  result["metrics"] = metrics;
  return json_text(result, 2) + "\n";
}

}  // namespace ddls::pipeline
