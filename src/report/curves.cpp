#include "report/curves.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "report/html.hpp"
#include "report/metrics.hpp"
#include "report/mode_mass.hpp"
#include "report/palette.hpp"
#include "report/svg_plot.hpp"

namespace ddls::report {
namespace {

struct Quantity {
  std::string field, title;
};

// In the order of the page.
std::vector<Quantity> quantities() {
  std::vector<Quantity> all{{"energy", "energy E(z)"},
                            {"neg_log_prior", "−log p₀(z)"},
                            {"log_ratio", "log density ratio r(G(z))"},
                            {"grad_norm", "|∇E|"}};
  for (const sampling::Rate& rate : sampling::rates_of()) all.push_back({rate.key, rate.title});
  all.push_back({"step_size", "step size"});
  all.push_back({"jump2", "squared jump |z′ − z|²"});
  all.push_back({"z_norm2_per_k", "|z|² / k (prior: 1)"});
  all.push_back({"nonfinite", "chains with a value that is not finite"});
  return all;
}

std::string wall(const std::string& plots) {
  return plots.empty() ? plots : "<div class=\"wall\">\n" + plots + "</div>\n";
}

std::string plot_of(const std::string& title, const std::string& x_label, std::vector<Series> series,
                    std::vector<Plot::Level> levels = {}) {
  for (Series& one : series) one = thinned(one);
  const bool log_y =
      wants_log(series) && std::ranges::all_of(levels, [](const Plot::Level& level) { return level.value > 0; });
  return figure_of(Plot{title, x_label, log_y ? "log scale" : "", std::move(series), log_y, std::move(levels)});
}

std::vector<Series> series_of(const RunData& run, const std::string& field, std::vector<Curve> MethodRun::*curves) {
  std::vector<Series> series;
  for (const MethodRun& method : run.methods) {
    if (const Curve* curve = find_curve(method.*curves, field)) {
      series.push_back({method_title(method.name), style_of_method(method.name), curve->x, curve->y});
    }
  }
  return series;
}

bool all_zero(const std::vector<Series>& series) {
  return std::all_of(series.begin(), series.end(), [](const Series& one) {
    return std::all_of(one.y.begin(), one.y.end(), [](double value) { return value == 0; });
  });
}

// Losses belong together, and so do logits; everything else has a figure of its own.
std::string group_of(const std::string& field) {
  if (field.find("loss") != std::string::npos) return "losses";
  if (field.find("logit") != std::string::npos) return "mean logits";
  if (field.find("accuracy") != std::string::npos) return "accuracy";
  if (field.starts_with("seconds")) return "seconds";
  std::string title = field;
  std::replace(title.begin(), title.end(), '_', ' ');
  return title;
}

std::string phase_title(const std::string& name) {
  static const std::map<std::string, std::string> titles{
      {"gan", "Generator and discriminator"}, {"ratio", "Density ratio"}, {"classifier", "Classifier for the metrics"}};
  const auto found = titles.find(name);
  return found == titles.end() ? name : found->second;
}

std::string phase_curves(const PhaseRecords& phase) {
  constexpr int first_colour = 2;  // blue, green, purple, ..: these lines are quantities, not methods
  std::vector<std::string> order;
  std::map<std::string, std::vector<Series>> groups;
  for (const Curve& curve : phase.curves) {
    const std::string group = group_of(curve.name);
    if (!groups.contains(group)) order.push_back(group);
    auto& series = groups[group];
    std::string label = curve.name;
    std::replace(label.begin(), label.end(), '_', ' ');
    series.push_back({label, style_of_number(series.size(), first_colour), curve.x, curve.y});
  }
  std::string plots;
  for (const std::string& group : order) {
    std::vector<Series> series = groups[group];
    if (series.size() == 1) series[0].label.clear();  // the title says it
    plots += plot_of(group, "step", series);
  }
  return plots.empty() ? plots : "<h3>" + escape(phase_title(phase.name)) + "</h3>\n" + wall(plots);
}

// Horizontal lines: real samples as a method's, and what the metric says of itself.
std::vector<Plot::Level> levels_of(const metrics::MetricColumn& metric, const RunData& run) {
  std::vector<Plot::Level> levels;
  if (const auto real = metric_value(metric, metrics_of_real(run))) levels.push_back({"real data", *real});
  if (!metric.level) return levels;
  if (metric.level->path.empty()) {
    levels.push_back({metric.level->title, metric.level->value * metric.factor});
    return levels;
  }
  metrics::MetricColumn of_level = metric;
  of_level.path = metric.level->path;
  for (const MethodRun& method : run.methods)
    if (const auto value = metric_value(of_level, metrics_of_method(method))) {  // the same of all methods
      levels.push_back({metric.level->title, *value});
      break;
    }
  return levels;
}

std::string metric_curves(const RunData& run, bool of_copies) {
  std::string plots;
  for (const metrics::MetricColumn& metric : metric_columns()) {
    if (metric.looks_for_copies != of_copies) continue;
    std::vector<Series> series = series_of(run, metric.path, &MethodRun::quality);
    if (series.empty()) continue;
    for (Series& one : series) {
      for (double& value : one.y) value *= metric.factor;
    }
    plots += plot_of(metric.title + (metric.unit.empty() ? "" : ", " + metric.unit), "Langevin step", series,
                     levels_of(metric, run));
  }
  return wall(plots);
}

}  // namespace

std::string chain_curves(const RunData& run) {
  std::string plots;
  for (const Quantity& quantity : quantities()) {
    const std::vector<Series> series = series_of(run, quantity.field, &MethodRun::chains);
    if (series.empty() || (quantity.field == "nonfinite" && all_zero(series))) continue;
    plots += plot_of(quantity.title, "Langevin step", series);
  }
  return wall(plots);
}

std::string quality_curves(const RunData& run) { return metric_curves(run, /*of_copies=*/false); }

std::string copy_curves(const RunData& run) { return metric_curves(run, /*of_copies=*/true); }

std::string training_curves(const RunData& run) {
  std::string body;
  for (const PhaseRecords& phase : run.phases) body += phase_curves(phase);
  return body;
}

std::string mode_bars(const RunData& run) {
  if (run.data_kind != "gaussians25") return {};
  std::string plots;
  for (const MethodRun& method : run.methods) {
    if (!method.samples.defined() || method.samples.dim() != 2) continue;
    std::vector<double> shares = mode_shares(method.samples);
    for (double& share : shares) share *= 100;
    plots += figure_of(Bars{method_title(method.name), "% of high-quality samples", style_of_method(method.name),
                            shares, 4, "uniform, 4 %"});
  }
  return wall(plots);
}

}  // namespace ddls::report
