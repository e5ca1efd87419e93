#pragma once
// For entries/*.cpp: a metric's entry in the registry, written with the type of its own options.
//
//   Metric kid_metric() {
//     return described<KidOptions>({.name = "kid",
//                                   .summary = "Kernel Inception Distance",
//                                   .options = bind_kid,
//                                   .keys = {{.path = "kid.unbiased", .meaning = "over all pairs", .column = ...}},
//                                   .needs = MetricNeeds{.rows = all_rows_needed},
//                                   .compute = [](const KidOptions& options, const MetricInputs& in) { ... }});
//   }
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/json.hpp"
#include "metrics/extract_set.hpp"
#include "metrics/registry.hpp"
#include "metrics/set_metrics.hpp"

namespace ddls::metrics {

// What the fields mean: Metric. `check` names keys as `options` does.
template <typename T>
struct MetricEntry {
  std::string name, summary;
  std::function<void(config::Section&, T&)> options = {};  // empty: none
  std::function<std::vector<config::Conflict>(const T&)> check = {};
  std::vector<std::string> brings = {};
  bool unasked = false;
  std::vector<MetricKey> keys;
  std::vector<MetricKey> protocol_keys = {};
  config::ByOptions<T, MetricNeeds> needs = MetricNeeds{};
  std::function<void(const T&, const MetricContext&, const EvaluationSet&, bool is_reference)> look = {};
  std::function<std::any(const T&, const MetricContext&, const Reference&)> prepare = {};
  std::function<std::shared_ptr<StreamedSums>(const T&, const MetricContext&, const EvaluationSet&)> stream = {};
  std::function<std::shared_ptr<PairSums>(const T&, const MetricInputs&)> pairs = {};
  std::function<Json(const T&, const MetricInputs&)> compute;
  std::function<Json(const T&, const Json&, int64_t, int64_t)> protocol = {};
};

template <typename T>
Metric described(MetricEntry<T> entry) {
  Metric metric{.name = std::move(entry.name),
                .summary = std::move(entry.summary),
                .defaults = entry.options ? config::Options::of<T>(std::move(entry.options), std::move(entry.check))
                                          : config::Options(),
                .brings = std::move(entry.brings),
                .unasked = entry.unasked,
                .keys = std::move(entry.keys),
                .protocol_keys = std::move(entry.protocol_keys),
                .needs = config::with_options_as<T>(std::move(entry.needs)),
                .look = {},
                .prepare = {},
                .stream = {},
                .pairs = {},
                .compute = config::with_options_as<T>(std::move(entry.compute)),
                .protocol = {}};
  if (entry.look) metric.look = config::with_options_as<T>(std::move(entry.look));
  if (entry.prepare) metric.prepare = config::with_options_as<T>(std::move(entry.prepare));
  if (entry.stream) metric.stream = config::with_options_as<T>(std::move(entry.stream));
  if (entry.pairs) metric.pairs = config::with_options_as<T>(std::move(entry.pairs));
  if (entry.protocol) metric.protocol = config::with_options_as<T>(std::move(entry.protocol));
  return metric;
}

// How all Fréchet distances were computed.
inline Json covariance_protocol() { return {{"covariance_divisor", "n - 1"}}; }

inline Json no_value(const std::string& name, const std::string& why) {
  Json metrics;
  refuse(metrics, {name}, why);
  return metrics;
}

}  // namespace ddls::metrics
