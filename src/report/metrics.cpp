#include "report/metrics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "report/records.hpp"

namespace ddls {
namespace {

const std::array<Metric, 20> known_metrics{{
    {"frechet_distance", "frechet_distance_std", "Fréchet distance", "", Better::lower, 1, -4, true},
    {"fid_infinity.value", "", "Fréchet distance, n → ∞", "extrapolated", Better::lower, 1, -4, true},
    {"intra_fid.mean", "", "Fréchet distance, per class", "mean of classes", Better::lower, 1, -4, true},
    {"inception_score.mean", "inception_score.std", "Inception Score", "", Better::higher, 1, 2, true},
    {"is_infinity.value", "", "Inception Score, n → ∞", "extrapolated", Better::higher, 1, 2, true},
    {"kid.unbiased", "", "KID, all pairs", "10⁻³", Better::lower, 1e3, 3, false},
    {"kid.subsets_mean", "kid.subsets_std", "KID, subsets", "10⁻³", Better::lower, 1e3, 3, false},
    {"precision", "", "precision", "", Better::higher, 1, 3, false},
    {"recall", "", "recall", "", Better::higher, 1, 3, false},
    {"density", "", "density", "", Better::higher, 1, 3, false},
    {"coverage", "", "coverage", "", Better::higher, 1, 3, false},
    {"modes_recovered", "", "modes recovered", "", Better::higher, 1, 0, true},
    {"high_quality_fraction", "", "high quality", "%", Better::higher, 100, 2, true},
    {"high_quality_std", "", "spread", "per coordinate", Better::like_real, 1, 4, true},
    {"high_quality_radial", "", "spread", "radial", Better::like_real, 1, 4, false},
    {"mass_total_variation", "", "mode mass, TV", "from uniform", Better::lower, 1, 4, false},
    {"mass_total_variation_all", "", "mode mass of all samples, TV", "from the data's", Better::lower, 1, 4, false},
    {"mass_chi2", "", "mode mass, χ²", "", Better::lower, 1, 1, false},
    {"mass_min", "", "smallest mode", "samples", Better::like_real, 1, 0, false},
    {"mass_max", "", "largest mode", "samples", Better::like_real, 1, 0, false},
}};

bool has(const Json& metrics, const Metric& metric) {
  return metrics.is_object() && metrics.contains(metric.path.substr(0, metric.path.find('.')));
}

std::string written(double value, int decimals) {
  const std::string text =
      decimals < 0 ? fmt::format("{:#.{}g}", value, -decimals) : fmt::format("{:.{}f}", value, decimals);
  return text.starts_with('-') && text.find_first_of("123456789") == text.npos ? text.substr(1) : text;  // no "-0.000"
}

// The reason stands inside the metric, beside it under its name, or beside it for all of them.
std::string reason(const Metric& metric, const Json& metrics) {
  const std::string key = metric.path.substr(0, metric.path.find('.'));
  for (const std::string& place : {key + ".why", key + "_why", "why." + key}) {
    const std::string why = text_at(metrics, place);
    if (!why.empty()) return why;
  }
  const Json& why = at_path(metrics, "why");
  return why.is_string() ? why.get<std::string>() : std::string();
}

}  // namespace

std::span<const Metric> all_metrics() { return known_metrics; }

std::vector<Metric> metrics_of(const RunData& run) {
  std::vector<Metric> present;
  std::copy_if(known_metrics.begin(), known_metrics.end(), std::back_inserter(present), [&](const Metric& metric) {
    return has(metrics_of_real(run), metric) ||
           std::any_of(run.methods.begin(), run.methods.end(),
                       [&](const MethodRun& method) { return has(metrics_of_method(method), metric); });
  });
  return present;
}

std::optional<double> metric_value(const Metric& metric, const Json& metrics) {
  const auto value = number_at(metrics, metric.path);
  return value ? std::optional(*value * metric.factor) : std::nullopt;
}

MetricText metric_text(const Metric& metric, const Json& metrics) {
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

}  // namespace ddls
