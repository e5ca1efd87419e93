#pragma once
// The metrics of one set against a reference, distributed over the ranks: what the registry lists and the configuration
// asks for. **Collective.**
#include <any>
#include <map>
#include <optional>
#include <span>

#include "base/error.hpp"
#include "base/json.hpp"
#include "config/config.hpp"
#include "dist/communicator.hpp"
#include "metrics/evaluation_set.hpp"
#include "metrics/extract_set.hpp"
#include "metrics/features.hpp"
#include "metrics/frechet.hpp"
#include "metrics/pair_products.hpp"
#include "metrics/registry.hpp"

namespace ddls::metrics {

// What is computed of every set: points are their own features; images go through the extractor.
struct MetricContext {
  dist::Communicator& comm;
  const config::EvaluateConfig& config;
  const Extractor* extractor = nullptr;  // null for points
  bool gaussians25 = false;              // also Table 1
  std::span<const Metric> known = known_metrics();

  // Those of evaluate.metrics with what they bring, and those that are computed unasked; of what there can be here.
  std::vector<const Metric*> wanted() const;
  MetricNeeds needs() const;  // of all of them
  const config::Options& options_of(const Metric& metric) const;
};

// A real set with all that several comparisons share.
struct Reference {
  SetFeatures set;
  bool statistics_only = false;
  bool is_training = false;                  // it is the training set, or a part of it
  std::optional<SetFeatures> training;       // where one was given and a metric asks for it
  std::optional<GaussianFactor> factor;      // on rank 0, where Fréchet distances are computed
  std::map<std::string, std::any> prepared;  // by name of the metric
};
// `training`: what a GAN was trained on, for metrics that ask for copies; may be null.
Reference prepare_reference(const MetricContext& context, const EvaluationSet& set,
                            const EvaluationSet* training = nullptr);

// For several networks, one after another in the result; every image is read once. The contexts differ in the
// extractor alone.
std::vector<Reference> prepare_references(std::span<const MetricContext> contexts, const EvaluationSet& set,
                                          const EvaluationSet* training = nullptr);

// What a metric is computed from.
struct MetricInputs {
  const MetricContext& context;
  const EvaluationSet& set;  // the samples themselves
  const SetFeatures& own;
  const Reference& reference;
  StreamedSums* streamed = nullptr;  // of the metric, over all ranks; null where there are none
  const PairSums* pairs = nullptr;   // the same
  const std::any* prepared = nullptr;

  template <typename T>
  const T& prepared_as() const {
    const T* value = prepared ? std::any_cast<T>(prepared) : nullptr;
    ensure(value != nullptr, "a metric asks for what it has not prepared");
    return *value;
  }
};

// Whether Fréchet distances of the set are taken of mean and covariance that its file gives. Not of those of an
// extractor with another number of features, where the set has samples too.
bool uses_given_statistics(const MetricContext& context, const EvaluationSet& set);

// The "metrics" object of docs/formats.md, section 3. What could not be computed is null, with NAME_why beside it.
Json metrics_of(const MetricContext& context, const EvaluationSet& set, const Reference& reference);

struct Judged {
  Json metrics;
  std::string digest;  // of the samples (SetFeatures)
};
// For several networks, each against its own reference; every image is read once.
std::vector<Judged> judge(std::span<const MetricContext> contexts, const EvaluationSet& set,
                          std::span<const Reference> references);

// How these numbers were made, of a set of `count`: what must be equal for two of them to be compared. Of what was
// computed, with the sizes that were used (a subset is no larger than its set).
Json protocol_of(const MetricContext& context, const Json& metrics, int64_t count, const Reference& reference);

}  // namespace ddls::metrics
