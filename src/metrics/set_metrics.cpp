#include "metrics/set_metrics.hpp"

#include <ATen/ATen.h>

#include <algorithm>

#include "base/json.hpp"
#include "base/log.hpp"
#include "dist/failure.hpp"
#include "metrics/frechet_metrics.hpp"
#include "metrics/reference_cache.hpp"

namespace ddls::metrics {
namespace {

int64_t features_per_sample(const MetricContext& context, const EvaluationSet& set) {
  return context.extractor ? context.extractor->features : set.sample_shape.at(0);
}

// A set of which only the sums are known. Those of a file may be of an unknown count.
SetFeatures with_statistics(const EvaluationSet& set, const GaussianStatistics& statistics) {
  SetFeatures features;
  features.name = set.name;
  features.count = set.statistics ? statistics.count : set.count;
  features.labels = set.labels;
  features.class_names = set.class_names;
  features.gaussian = statistics;
  return features;
}

// Of a file that holds samples and statistics.
void tell_of_statistics(const MetricContext& context, const EvaluationSet& set, bool given) {
  if (!set.statistics || !context.comm.root()) return;
  if (given)
    log::info(
        "{} holds samples and statistics: mu and sigma for the Fréchet distance, its {} samples for all other metrics",
        set.name, set.count);
  else if (context.needs().moments)
    log::warning(
        "{} holds samples and statistics of {} features, but the extractor has {}: the statistics are passed over",
        set.name, set.statistics->mean.numel(), features_per_sample(context, set));
}

// What is to be had of a set beside its moments.
struct Request {
  int64_t rows = 0;
  std::vector<StreamedSums*> streamed = {};
  bool logits = false;
  bool moments = true;  // where a metric needs them
};

using Contexts = std::span<const MetricContext>;

// What is not asked of the network for each context: no set is read for statistics that are given.
std::vector<SetFeatures> features_of(Contexts contexts, const EvaluationSet& set, std::span<const Request> requests) {
  std::vector<SetFeatures> all(contexts.size());
  std::vector<ExtractOptions> options;
  std::vector<size_t> places;
  for (size_t i = 0; i < contexts.size(); ++i) {
    const MetricContext& context = contexts[i];
    const Request& request = requests[i];
    if (set.statistics_only()) {
      all[i] = with_statistics(set, *set.statistics);
      continue;
    }
    const bool given = uses_given_statistics(context, set);
    if (set.count < 2) dist::all_fail(Exit::data, "{}: {} samples; at least 2 are needed", set.name, set.count);
    if (request.moments) tell_of_statistics(context, set, given);
    if (given && request.rows == 0 && request.streamed.empty()) {
      all[i] = with_statistics(set, *set.statistics);
      continue;
    }
    options.push_back({.extractor = context.extractor,
                       .batch = context.config.batch,
                       .moments = context.needs().moments && request.moments && !given,
                       .logits = request.logits,
                       .streamed = request.streamed,
                       .keep = request.rows});
    places.push_back(i);
  }
  if (options.empty()) return all;
  std::vector<SetFeatures> extracted = extract_set_for_each(contexts.front().comm, set, options);
  for (size_t i = 0; i < places.size(); ++i) {
    SetFeatures& features = all[places[i]] = std::move(extracted[i]);
    if (uses_given_statistics(contexts[places[i]], set)) features.gaussian = *set.statistics;
  }
  return all;
}

// Of a set whose statistics are kept between runs, and their entries.
struct KeptStatistics {
  std::vector<CacheEntry> entries;
  std::vector<std::optional<CachedStatistics>> found;
};

KeptStatistics kept_statistics(Contexts contexts, const EvaluationSet& set) {
  dist::Communicator& comm = contexts.front().comm;
  const std::string content = comm.on_root([&] { return set.content_hash(); });
  KeptStatistics kept;
  for (const MetricContext& context : contexts) {
    kept.entries.push_back(cache_entry(context.config.cache, set, content, context.extractor));
    kept.found.push_back(cached_statistics(comm, kept.entries.back()));
  }
  return kept;
}

// The same for a reference, whose statistics may be kept between runs.
std::vector<SetFeatures> reference_features(Contexts contexts, const EvaluationSet& set) {
  std::vector<Request> requests;
  for (const MetricContext& context : contexts) {
    const MetricNeeds needs = context.needs();
    requests.push_back({.rows = std::max(needs.reference_rows, set.training ? 0 : needs.unseen_rows)});
  }
  const MetricContext& first = contexts.front();
  if (first.config.cache.empty() || set.statistics || !first.needs().moments)
    return features_of(contexts, set, requests);
  const KeptStatistics kept = kept_statistics(contexts, set);
  std::vector<SetFeatures> all(contexts.size());
  std::vector<MetricContext> unknown;  // or with rows that are not kept
  std::vector<size_t> places;
  for (size_t i = 0; i < contexts.size(); ++i) {
    if (kept.found[i] && requests[i].rows == 0) {
      all[i] = with_statistics(set, kept.found[i]->gaussian);
      all[i].digest = kept.found[i]->digest;
    } else {
      unknown.push_back(contexts[i]);
      places.push_back(i);
    }
  }
  std::vector<Request> left;
  for (const size_t i : places) left.push_back(requests[i]);
  if (unknown.empty()) return all;
  std::vector<SetFeatures> made = features_of(unknown, set, left);
  for (size_t n = 0; n < places.size(); ++n) {
    const size_t i = places[n];
    all[i] = std::move(made[n]);
    if (!kept.found[i]) store_statistics(first.comm, kept.entries[i], all[i].gaussian, all[i].digest);
  }
  return all;
}

void warn_of_few(const dist::Communicator& comm, const SetFeatures& set) {
  const int64_t features = set.gaussian.mean.numel();
  if (comm.root() && set.count > 0 && set.count <= features)
    log::warning("{}: {} samples for {} features; the Fréchet distance is dominated by its bias", set.name, set.count,
                 features);
}

// Of a folder with a folder per class, the first rows are the first classes.
void warn_of_first_classes(const MetricContext& context, const EvaluationSet& set, bool is_reference) {
  if (!lies_class_by_class(set)) return;
  for (const Metric* metric : context.wanted()) {
    const MetricNeeds needs = metric->needs(context.options_of(*metric));
    const int64_t rows = is_reference ? needs.reference_rows : needs.rows;
    if (rows > 0 && rows < set.count)
      log::warning(
          "{} lies class by class: {} takes the first {} of its {} samples (evaluate.{}.count), which lack the last "
          "classes",
          set.name, metric->name, rows, set.count, metric->name);
  }
}

void look_at(const MetricContext& context, const EvaluationSet& set, bool is_reference) {
  if (!context.comm.root()) return;
  warn_of_first_classes(context, set, is_reference);
  for (const Metric* metric : context.wanted())
    if (metric->look) metric->look(context.options_of(*metric), context, set, is_reference);
}

// Why a metric cannot be had of these two sets; empty where it can.
std::string missing_need(const MetricNeeds& needs, const MetricContext& context, const EvaluationSet& set,
                         const SetFeatures& own, const Reference& reference) {
  if (set.statistics_only() && (needs.rows > 0 || needs.probabilities)) return own.name + " holds statistics only";
  if (reference.statistics_only && needs.reference_rows > 0) return reference.set.name + " holds statistics only";
  if (needs.probabilities && context.extractor->classes == 0) return "the extractor gives no logits";
  if (needs.training_rows > 0) {
    if (!reference.training) return "no training set is given";
    if (reference.training->rows.count == 0) return reference.training->name + " holds statistics only";
    if (set.training) return own.name + " is the training set";
    if (reference.is_training && needs.reference_rows > 0)
      return "the reference is the training set: there are no reals that training has not seen";
  }
  const auto finite = [&](const SetFeatures& one, int64_t rows) { return rows == 0 || one.finite; };
  if (!finite(own, needs.rows)) return own.name + " has features that are not finite";
  if (!finite(reference.set, needs.reference_rows)) return reference.set.name + " has features that are not finite";
  if (needs.training_rows > 0 && !reference.training->finite)
    return reference.training->name + " has features that are not finite";
  if (needs.labels)
    for (const SetFeatures* one : {&own, &reference.set})
      if (!one->labels.defined())
        return one->name + " has no labels" + (one->unlabelled.empty() ? "" : ": " + one->unlabelled);
  return {};
}

using Streams = std::map<const Metric*, std::shared_ptr<StreamedSums>>;

Streams streams_of(const MetricContext& context, const EvaluationSet& set) {
  Streams streams;
  if (set.statistics_only()) return streams;
  for (const Metric* metric : context.wanted()) {
    const config::Options& options = context.options_of(*metric);
    if (!metric->stream || (metric->needs(options).probabilities && context.extractor->classes == 0)) continue;
    if (auto stream = metric->stream(options, context, set)) streams[metric] = std::move(stream);
  }
  return streams;
}

}  // namespace

bool uses_given_statistics(const MetricContext& context, const EvaluationSet& set) {
  if (!set.statistics || !context.needs().moments) return false;
  return set.count == 0 || set.statistics->mean.numel() == features_per_sample(context, set);
}

namespace {

// Whether all is there that a metric prepares itself from.
bool can_prepare(const MetricNeeds& needs, const Reference& reference) {
  const auto usable = [](const SetFeatures& set, int64_t rows) {
    return rows == 0 || (set.rows.count > 0 && set.finite);
  };
  if (!usable(reference.set, needs.reference_rows)) return false;
  return needs.training_rows == 0 || (reference.training && usable(*reference.training, needs.training_rows) &&
                                      !(reference.is_training && needs.reference_rows > 0));
}

}  // namespace

std::vector<Reference> prepare_references(Contexts contexts, const EvaluationSet& set, const EvaluationSet* training) {
  std::vector<Reference> references(contexts.size());
  look_at(contexts.front(), set, true);
  std::vector<SetFeatures> features = reference_features(contexts, set);
  std::vector<SetFeatures> of_training;
  if (training != nullptr && contexts.front().needs().training_rows > 0) {
    std::vector<Request> requests;  // neither moments nor logits of it
    for (const MetricContext& context : contexts)
      requests.push_back({.rows = context.needs().training_rows, .moments = false});
    of_training = features_of(contexts, *training, requests);
  }
  for (size_t i = 0; i < contexts.size(); ++i) {
    const MetricContext& context = contexts[i];
    Reference& reference = references[i];
    reference.statistics_only = set.statistics_only();
    reference.is_training = set.training;
    reference.set = std::move(features[i]);
    if (!of_training.empty()) reference.training = std::move(of_training[i]);
    if (context.needs().moments) {
      warn_of_few(context.comm, reference.set);
      reference.factor = factor_on_root(context.comm, reference.set.gaussian, reference.set.name);
    }
    for (const Metric* metric : context.wanted()) {
      const config::Options& options = context.options_of(*metric);
      if (!metric->prepare || !can_prepare(metric->needs(options), reference)) continue;
      reference.prepared[metric->name] = metric->prepare(options, context, reference);
    }
  }
  return references;
}

Reference prepare_reference(const MetricContext& context, const EvaluationSet& set, const EvaluationSet* training) {
  return std::move(prepare_references({&context, 1}, set, training).front());
}

namespace {

// A metric that is wanted, with what it is made of, or why it cannot be had of the set.
struct Task {
  const Metric* metric;
  MetricInputs inputs;
  std::string missing;
};

// In the registry's order.
std::vector<Task> tasks_of(const MetricContext& context, const EvaluationSet& set, const SetFeatures& own,
                           const Reference& reference, const Streams& streams) {
  std::vector<Task> tasks;
  for (const Metric* metric : context.wanted()) {
    MetricInputs inputs{context, set, own, reference};
    if (const auto found = streams.find(metric); found != streams.end()) inputs.streamed = found->second.get();
    if (const auto found = reference.prepared.find(metric->name); found != reference.prepared.end())
      inputs.prepared = &found->second;
    tasks.push_back(
        {metric, inputs, missing_need(metric->needs(context.options_of(*metric)), context, set, own, reference)});
  }
  return tasks;
}

// One pass over the pairs of the two sets, for all metrics that add up something of them. **Collective.**
std::vector<std::shared_ptr<PairSums>> sums_of_pairs(std::vector<Task>& tasks) {
  std::vector<std::shared_ptr<PairSums>> sums;
  for (auto& [metric, inputs, missing] : tasks) {
    if (!missing.empty() || !metric->pairs) continue;
    if (auto one = metric->pairs(inputs.context.options_of(*metric), inputs)) {
      inputs.pairs = one.get();
      sums.push_back(std::move(one));
    }
  }
  if (!sums.empty()) {
    const MetricInputs& any = tasks.front().inputs;
    add_pairs(any.context.comm, any.reference.set.rows, any.own.rows, sums);
  }
  return sums;
}

Json metrics_from(const MetricContext& context, const EvaluationSet& set, const SetFeatures& own,
                  const Reference& reference, const Streams& streams) {
  if (context.needs().moments) warn_of_few(context.comm, own);
  std::vector<Task> tasks = tasks_of(context, set, own, reference, streams);
  const std::vector<std::shared_ptr<PairSums>> pairs = sums_of_pairs(tasks);
  Json metrics = Json::object();
  for (const auto& [metric, inputs, missing] : tasks) {
    if (missing.empty())
      metrics.update(metric->compute(context.options_of(*metric), inputs));
    else
      refuse(metrics, metric->top_keys(), missing);
  }
  return metrics;
}

Request request_of(const MetricContext& context, const Streams& streams) {
  Request request{.rows = context.needs().rows};
  for (const Metric* metric : context.wanted())
    if (const auto found = streams.find(metric); found != streams.end()) {
      request.streamed.push_back(found->second.get());
      request.logits |= metric->needs(context.options_of(*metric)).probabilities;
    }
  return request;
}

}  // namespace

std::vector<Judged> judge(Contexts contexts, const EvaluationSet& set, std::span<const Reference> references) {
  look_at(contexts.front(), set, false);
  std::vector<Streams> streams;
  std::vector<Request> requests;
  for (const MetricContext& context : contexts) {
    streams.push_back(streams_of(context, set));
    requests.push_back(request_of(context, streams.back()));
  }
  const std::vector<SetFeatures> features = features_of(contexts, set, requests);
  std::vector<Judged> results;
  for (size_t i = 0; i < contexts.size(); ++i) {
    const MetricContext& context = contexts[i];
    const SetFeatures& own = features[i];
    results.push_back({metrics_from(context, set, own, references[i], streams[i]), own.digest});
    const bool keep = context.config.keep_statistics && !context.config.cache.empty() && !own.digest.empty() &&
                      !uses_given_statistics(context, set);
    if (keep && own.gaussian.mean.defined())
      store_statistics(context.comm, sample_entry(context.config.cache, set, own.digest, context.extractor),
                       own.gaussian, own.digest);
  }
  return results;
}

Json metrics_of(const MetricContext& context, const EvaluationSet& set, const Reference& reference) {
  return std::move(judge({&context, 1}, set, {&reference, 1}).front().metrics);
}

}  // namespace ddls::metrics
