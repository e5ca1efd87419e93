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
#include "pipeline/extractors.hpp"
#include "pipeline/set_record.hpp"
#include "version.hpp"

namespace ddls::pipeline {
namespace {

// The networks both sets go through; none for points and where both are statistics.
std::vector<metrics::Extractor> extractors_for(const std::vector<std::string>& files,
                                               const config::EvaluateConfig& config, const metrics::EvaluationSet& fake,
                                               const metrics::EvaluationSet& real, c10::Device device) {
  const metrics::EvaluationSet& images = fake.images ? fake : real;
  if (!images.images) return {};
  const metrics::EvaluationSet& other = fake.images ? real : fake;
  if (!other.images && !other.statistics_only())
    fail(Exit::data, "--fake and --real: one holds images, the other points");
  if (files.empty()) fail(Exit::usage, "evaluate: images need --extractor E.pt");
  std::vector<metrics::Extractor> extractors = load_extractors(files, images.sample_shape, config, device);
  for (const metrics::Extractor& extractor : extractors)
    for (const metrics::EvaluationSet* set : {&fake, &real})
      if (set->statistics)
        metrics::require_provenance(set->statistics_file, metrics::read_provenance(set->statistics_file),
                                    {{"extractor_sha256", extractor.sha256}, {"resize", extractor.resize.text()}});
  return extractors;
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

namespace {

struct Opened {
  metrics::EvaluationSet fake, real;
  std::optional<metrics::EvaluationSet> training;
  std::vector<metrics::Extractor> extractors;
};

Opened open_all(const config::Config& config, const SetPair& sets, dist::Communicator& comm) {
  Opened opened;
  const data::DecodeOptions options = data::as_stored(config.data);
  opened.fake = metrics::open_evaluation_set(sets.fake, options);
  opened.real = metrics::open_evaluation_set(sets.real, options);
  if (!sets.train.empty()) opened.training = open_training(sets.train, options, opened.fake);
  const std::vector<std::string>& files = sets.extractors.empty() ? config.evaluate.extractor : sets.extractors;
  opened.extractors = extractors_for(files, config.evaluate, opened.fake, opened.real, comm.topology().device);
  if (metrics::MetricContext{comm, config.evaluate}.needs().labels)
    metrics::match_labels(opened.fake, opened.real);  // refused before the work
  return opened;
}

}  // namespace

std::string evaluate_sets(const config::Config& config, const SetPair& sets, dist::Communicator& comm) {
  Opened opened = comm.together([&] { return open_all(config, sets, comm); });
  auto& [fake, real, training, extractors] = opened;
  if (comm.root())
    for (const metrics::EvaluationSet* set : {&fake, &real})
      tell_of_set(set->name, set->count, set->left_out.value_or(data::LeftOut{}), set->unlabelled);
  fake = metrics::without_damaged(comm, std::move(fake));
  real = metrics::without_damaged(comm, std::move(real));
  const std::vector<metrics::MetricContext> contexts = contexts_of(comm, config.evaluate, extractors);
  const metrics::MetricContext& first = contexts.front();
  if (training) training = metrics::without_damaged(comm, std::move(*training));
  const std::vector<metrics::Reference> references =
      metrics::prepare_references(contexts, real, training ? &*training : nullptr);
  const std::vector<metrics::Judged> judged = metrics::judge(contexts, fake, references);

  Json result{{"schema", 1},           {"version", version::project},    {"git_commit", version::git_commit},
              {"ranks", comm.ranks()}, {"fake", record_of(first, fake)}, {"reference", record_of(first, real)}};
  add_digest(result["fake"], judged.front().digest);
  add_digest(result["reference"], references.front().set.digest);
  if (training) result["training"] = record_of(first, *training);
  if (training && references.front().training) add_digest(result["training"], references.front().training->digest);
  const auto add_of = [&](size_t i, Json& to) {
    if (first.extractor) to["extractor"] = network_record(extractors[i]);
    to["protocol"] = metrics::protocol_of(contexts[i], judged[i].metrics, fake.count, references[i]);
    to["metrics"] = judged[i].metrics;
  };
  add_of(0, result);
  for (size_t i = 0; i < extractors.size() && extractors.size() > 1; ++i)
    add_of(i, result["by_extractor"][extractors[i].name]);
  return json_text(result, 2) + "\n";
}

}  // namespace ddls::pipeline
