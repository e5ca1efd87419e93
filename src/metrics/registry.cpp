#include "metrics/registry.hpp"
#include "base/json.hpp"

#include <algorithm>

namespace ddls::metrics {

// The list: a line per metric, entries/*.cpp end in NAME_metric().
#define DDLS_METRICS(entry)                                                                                            \
  entry(fid) entry(fid_error) entry(fid_infinity) entry(intra_fid) entry(is) entry(is_infinity) entry(kid) entry(mind) \
      entry(cmmd) entry(prdc) entry(improved_pr) entry(clipped) entry(probabilistic_pr) entry(vendi)                   \
          entry(authenticity) entry(ct) entry(fld) entry(modes)

#define DDLS_DECLARE_METRIC(name) Metric name##_metric();
DDLS_METRICS(DDLS_DECLARE_METRIC)

std::span<const Metric> known_metrics() {
#define DDLS_CALL_METRIC(name) name##_metric(),
  static const std::vector<Metric> all{DDLS_METRICS(DDLS_CALL_METRIC)};
  return all;
}

std::vector<std::string> Metric::top_keys() const {
  std::vector<std::string> names;
  for (const MetricKey& key : keys)
    if (key.path.find('.') == std::string::npos) names.push_back(key.path);
  return names;
}

const Metric* find_metric(const std::string& name, std::span<const Metric> all) {
  const auto found = std::find_if(all.begin(), all.end(), [&](const Metric& metric) { return metric.name == name; });
  return found == all.end() ? nullptr : &*found;
}

std::vector<MetricColumn> columns_of(std::span<const Metric> all) {
  std::vector<MetricColumn> columns;
  for (const Metric& metric : all)
    for (const MetricKey& key : metric.keys)
      if (key.column) {
        columns.push_back(*key.column);
        columns.back().path = key.path;
        columns.back().looks_for_copies = metric.needs(metric.defaults).training_rows > 0;
      }
  return columns;
}

std::vector<std::string> metrics_with_curves(std::span<const Metric> all) {
  std::vector<std::string> names;
  for (const Metric& metric : all)
    if (std::any_of(metric.keys.begin(), metric.keys.end(),
                    [](const MetricKey& key) { return key.column && !key.column->curve.empty(); }))
      names.push_back(metric.name);
  return names;
}

std::vector<std::string> metrics_while_training(std::span<const Metric> all) {
  std::vector<std::string> names = metrics_with_curves(all);
  std::erase_if(names, [&](const std::string& name) {
    const Metric& metric = *find_metric(name, all);
    const MetricNeeds needs = metric.needs(metric.defaults);
    return needs.rows > 0 || needs.reference_rows > 0 || needs.training_rows > 0;
  });
  return names;
}

std::vector<std::pair<std::string, double>> curve_values(const Json& metrics, std::span<const Metric> all) {
  std::vector<std::pair<std::string, double>> values;
  for (const MetricColumn& column : columns_of(all)) {
    if (column.curve.empty()) continue;
    std::string path = "/" + column.path;
    std::replace(path.begin(), path.end(), '.', '/');
    const Json::json_pointer at(path);
    if (metrics.contains(at) && metrics[at].is_number()) values.emplace_back(column.curve, metrics[at].get<double>());
  }
  return values;
}

void add_metrics(config::EvaluateConfig& config, std::span<const Metric> all) {
  for (const Metric& metric : all)
    if (!metric.unasked) config.known.push_back({metric.name, metric.summary, metric.defaults});
}

void refuse(Json& metrics, const std::vector<std::string>& names, const std::string& why) {
  for (const std::string& name : names) {
    metrics[name] = nullptr;
    metrics[name + "_why"] = why;
  }
}

}  // namespace ddls::metrics
