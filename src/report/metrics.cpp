#include "report/metrics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "report/records.hpp"

namespace ddls::report {
namespace {

bool has(const Json& metrics, const metrics::MetricColumn& metric) {
  return metrics.is_object() && metrics.contains(metric.path.substr(0, metric.path.find('.')));
}

// The reason stands inside the metric, beside it under its name, or beside it for all of them.
std::string reason(const metrics::MetricColumn& metric, const Json& metrics) {
  const std::string key = metric.path.substr(0, metric.path.find('.'));
  for (const std::string& place : {key + ".why", key + "_why", "why." + key}) {
    const std::string why = text_at(metrics, place);
    if (!why.empty()) return why;
  }
  const Json& why = at_path(metrics, "why");
  return why.is_string() ? why.get<std::string>() : std::string();
}

}  // namespace

std::string written(double value, int decimals) {
  const std::string text =
      decimals < 0 ? fmt::format("{:#.{}g}", value, -decimals) : fmt::format("{:.{}f}", value, decimals);
  return text.starts_with('-') && text.find_first_of("123456789") == text.npos ? text.substr(1) : text;  // no "-0.000"
}

std::string full_title(const metrics::MetricColumn& metric) {
  return metric.unit.empty() ? metric.title : fmt::format("{} ({})", metric.title, metric.unit);
}

const std::vector<metrics::MetricColumn>& metric_columns() {
  static const std::vector<metrics::MetricColumn> columns = metrics::columns_of();
  return columns;
}

std::vector<metrics::MetricColumn> columns_of(const RunData& run) {
  const std::vector<metrics::MetricColumn>& all = metric_columns();
  std::vector<metrics::MetricColumn> present;
  std::copy_if(all.begin(), all.end(), std::back_inserter(present), [&](const metrics::MetricColumn& metric) {
    return has(metrics_of_real(run), metric) ||
           std::any_of(run.methods.begin(), run.methods.end(),
                       [&](const MethodRun& method) { return has(metrics_of_method(method), metric); });
  });
  return present;
}

std::optional<double> metric_value(const metrics::MetricColumn& metric, const Json& metrics) {
  const auto value = number_at(metrics, metric.path);
  return value ? std::optional(*value * metric.factor) : std::nullopt;
}

MetricText metric_text(const metrics::MetricColumn& metric, const Json& metrics) {
  const auto value = metric_value(metric, metrics);
  if (!value) {
    const std::string why = reason(metric, metrics);
    return {why.empty() ? "n/a" : "n/a: " + why, "", true};
  }
  const std::string exact = at_path(metrics, metric.path).dump();
  const auto spread = metric.spread_path.empty() ? std::nullopt : number_at(metrics, metric.spread_path);
  const double deviation = spread ? *spread * metric.factor : 0;
  // Decimals of a number in thousands are noise (a KID of features of any size can be one).
  const bool large = metric.decimals > 0 && std::max(std::abs(*value), std::abs(deviation)) >= 1000;
  const int decimals = large ? 0 : metric.decimals;
  if (!spread) return {written(*value, decimals), exact, false};
  return {written(*value, decimals) + " ± " + written(deviation, decimals),
          exact + " ± " + at_path(metrics, metric.spread_path).dump(), false};
}

const Json& metrics_of_method(const MethodRun& method) { return at_path(method.summary, "metrics"); }
const Json& metrics_of_real(const RunData& run) { return at_path(run.report, "reference.metrics"); }

}  // namespace ddls::report
