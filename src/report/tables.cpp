#include "report/tables.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "report/energy.hpp"
#include "report/html.hpp"
#include "report/metrics.hpp"
#include "report/mixing.hpp"
#include "report/palette.hpp"
#include "report/records.hpp"
#include "report/svg_axis.hpp"

namespace ddls::report {
namespace {

std::string named_row(const std::string& name) {
  return row_head(style_dot(style_of_method(name)) + escape(method_title(name)));
}

std::string named_row(const MethodRun& method) {
  const std::string law = law_note(method);
  return row_head(style_dot(style_of_method(method.name)) + escape(method_title(method.name)) +
                  (law.empty() ? law : "<br/><small>" + escape(law) + "</small>"));
}

std::string head_cell(const metrics::MetricColumn& metric) {
  const char* arrow = metric.better == metrics::Better::higher  ? " ↑"
                      : metric.better == metrics::Better::lower ? " ↓"
                                                                : "";
  std::string unit = metric.unit;
  if (metric.better == metrics::Better::like_real) unit += unit.empty() ? "as real data" : ", as real data";
  return head(escape(metric.title) + arrow, escape(unit));
}

std::string cell(const metrics::MetricColumn& metric, const Json& metrics, bool best) {
  const MetricText value = metric_text(metric, metrics);
  if (value.absent)
    return fmt::format("<td class=\"na{}\">{}</td>", value.text.size() > 6 ? " why" : "", escape(value.text));
  return fmt::format("<td{} title=\"{}\">{}</td>", best ? " class=\"best\"" : "", escape(value.exact),
                     escape(value.text));
}

// The best value as written, so that rows that look alike are marked alike; empty where the methods do not differ.
std::string best_text(const metrics::MetricColumn& metric, const RunData& run) {
  if (metric.better == metrics::Better::like_real) return {};
  std::optional<double> best;
  std::set<std::string> texts;
  std::string best_written;
  for (const MethodRun& method : run.methods) {
    const auto value = metric_value(metric, metrics_of_method(method));
    if (!value) continue;
    const std::string text = metric_text(metric, metrics_of_method(method)).text;
    texts.insert(text);
    if (!best || (metric.better == metrics::Better::higher ? *value > *best : *value < *best))
      best = value, best_written = text;
  }
  return texts.size() > 1 ? best_written : std::string();
}

struct ValueColumn {  // of numbers, or of true and false
  std::string key, title, unit;
  bool needs_mixing = false;  // in brackets where the chains have not mixed
};

std::vector<ValueColumn> sampler_columns() {
  std::vector<ValueColumn> columns{{"count", "samples", ""},
                                   {"exact", "exact", "no bias of its own"},
                                   {"steps", "steps", "per chain"},
                                   {"step_size", "step size", ""},
                                   {"temperature", "temperature", "noise²"}};
  for (const sampling::Rate& rate : sampling::rates_of()) columns.push_back({rate.key, rate.column, rate.unit});
  columns.push_back({"jump2", "squared jump", "per step"});
  columns.push_back({"seconds", "time", "s"});
  columns.push_back({"chain_steps_per_second", "speed", "chain steps/s"});
  return columns;
}

// What mixing costs: bulk and tail ESS, and the bulk ESS per second and per evaluation.
const std::vector<ValueColumn> mixing_columns{{"rhat", "R-hat", "1 = mixed"},
                                              {"ess_per_chain", "bulk ESS", "per chain", true},
                                              {"tail_ess_per_chain", "tail ESS", "per chain", true},
                                              {"diagnosed.steps", "of steps", "warm-up left out"},
                                              {"ess_per_second", "ESS per second", "all chains", true},
                                              {"ess_per_evaluation", "ESS per evaluation", "of a chain", true},
                                              {"evaluations_per_step.gradients", "gradients", "per step"},
                                              {"evaluations_per_step.ratios", "ratios alone", "per step"}};

bool has_value(const MethodRun& method, const ValueColumn& column) {
  return at_path(method.summary, column.key).is_boolean() || number_at(method.summary, column.key).has_value();
}

std::string value_cell(const MethodRun& method, const ValueColumn& column) {
  if (const Json& flag = at_path(method.summary, column.key); flag.is_boolean())
    return flag.get<bool>() ? "<td>yes</td>" : "<td>no</td>";
  const auto value = number_at(method.summary, column.key);
  if (!value) return "<td class=\"na\">–</td>";
  const bool whole = std::floor(*value) == *value && std::abs(*value) < 1e15;
  std::string text = whole ? fmt::format("{:.0f}", *value) : short_number(*value);
  if (column.needs_mixing && !may_have_mixed(method)) text = "(" + text + ")";
  return whole ? "<td>" + text + "</td>"
               : fmt::format("<td title=\"{}\">{}</td>", at_path(method.summary, column.key).dump(), text);
}

// Only methods and columns that have a value.
std::string value_table(const std::string& name, const RunData& run, std::span<const ValueColumn> columns) {
  std::string heads = head("method"), rows;
  std::vector<ValueColumn> shown;
  for (const ValueColumn& column : columns) {
    if (std::none_of(run.methods.begin(), run.methods.end(), [&](const MethodRun& m) { return has_value(m, column); }))
      continue;
    shown.push_back(column);
    heads += head(column.title, column.unit);
  }
  if (shown.empty()) return {};
  for (const MethodRun& method : run.methods) {
    if (std::none_of(shown.begin(), shown.end(), [&](const ValueColumn& column) { return has_value(method, column); }))
      continue;
    rows += "<tr>" + named_row(method);
    for (const ValueColumn& column : shown) rows += value_cell(method, column);
    rows += "</tr>\n";
  }
  return table(name, heads, rows);
}

void add_leaves(const Json& value, const std::string& path, std::string& rows) {
  if (value.is_object() && !value.empty()) {
    for (const auto& [key, inner] : value.items()) add_leaves(inner, path.empty() ? key : path + "." + key, rows);
  } else {
    const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
    rows += fmt::format("<tr>{}<td>{}</td></tr>\n", row_head(escape(path)), escape(text));
  }
}

}  // namespace

std::string metrics_table(const RunData& run) {
  const std::vector<metrics::MetricColumn> metrics = columns_of(run);
  if (metrics.empty()) return {};
  std::string heads = head("method"), rows;
  for (const metrics::MetricColumn& metric : metrics) heads += head_cell(metric);
  for (const MethodRun& method : run.methods) {
    rows += "<tr>" + named_row(method);
    for (const metrics::MetricColumn& metric : metrics) {
      const Json& values = metrics_of_method(method);
      rows += cell(metric, values, metric_text(metric, values).text == best_text(metric, run));
    }
    rows += "</tr>\n";
  }
  if (metrics_of_real(run).is_object()) {
    rows += "<tr class=\"real\">" + named_row("real");
    for (const metrics::MetricColumn& metric : metrics) rows += cell(metric, metrics_of_real(run), false);
    rows += "</tr>\n";
  }
  return table("Metrics of every method", heads, rows);
}

std::string sampler_table(const RunData& run) {
  return value_table("How the samples were made", run, sampler_columns());
}

std::string mixing_table(const RunData& run) { return value_table("Mixing and what it costs", run, mixing_columns); }

std::string paper_table(const RunData& run) {
  if (run.data_kind != "gaussians25") return {};
  struct Published {
    const char* method;
    const char* modes;
    const char* quality;
    const char* spread;
  };
  constexpr Published published[] = {{"generator", "24.8 ± 0.2", "70 ± 9", "0.11 ± 0.01"},
                                     {"drs", "24.8 ± 0.2", "90 ± 2", "0.10 ± 0.01"},
                                     {"ddls", "24.8 ± 0.2", "98 ± 2", "0.10 ± 0.01"}};
  std::string rows;
  const auto metric = [](const char* path) {
    return *std::find_if(metric_columns().begin(), metric_columns().end(),
                         [&](const metrics::MetricColumn& m) { return m.path == path; });
  };
  for (const Published& line : published) {
    const MethodRun* method = find_method(run, line.method);
    const auto here = [&](const char* path) {
      return method ? cell(metric(path), metrics_of_method(*method), false)
                    : std::string("<td class=\"na\">not run</td>");
    };
    rows += "<tr>" + named_row(line.method) + fmt::format("<td>{}</td>", line.modes) + here("modes_recovered") +
            fmt::format("<td>{}</td>", line.quality) + here("high_quality_fraction") +
            fmt::format("<td>{}</td>", line.spread) + here("high_quality_std") + "</tr>\n";
  }
  return "<h3>Beside the paper</h3>\n" +
         table("Beside the paper",
               head("method") + head("modes of 25", "paper") + head("modes of 25", "this run") +
                   head("high quality, %", "paper") + head("high quality, %", "this run") + head("spread", "paper") +
                   head("spread", "this run, per coordinate"),
               rows) +
         note(
             "Paper: Table 1 of Che et al. 2020 (“Your GAN is Secretly an Energy-based Model”), mean ± sd of its "
             "training runs; this run is a single one. The paper does not say how its spread is defined, and its "
             "values lie above the 0.05 of the data itself, so that column compares in order only.");
}

std::string ranks_table(const RunData& run) {
  const Json& times = at_path(run.report, "step_times");
  std::string rows;
  if (!times.is_object()) return rows;
  for (const auto& [phase, one] : times.items()) {
    const Json &seconds = at_path(one, "seconds_per_step"), &hosts = at_path(one, "hosts");
    const auto median = number_at(one, "median");
    if (!seconds.is_array() || !hosts.is_array() || seconds.size() < 2 || hosts.size() != seconds.size() || !median)
      continue;
    size_t slowest = 0;
    const auto of_rank = [&](size_t rank) { return seconds[rank].is_number() ? seconds[rank].get<double>() : 0.0; };
    for (size_t rank = 1; rank < seconds.size(); ++rank)
      if (of_rank(rank) > of_rank(slowest)) slowest = rank;
    const bool slow = at_path(one, "slow").is_array() && !at_path(one, "slow").empty();
    rows += fmt::format(
        "<tr>{}<td>{}</td><td>{}</td><td>{}</td><td{}>{:.2f}</td></tr>\n", row_head(escape(phase)),
        short_number(1000 * *median), short_number(1000 * of_rank(slowest)),
        escape(fmt::format("rank {} on {}", slowest,
                           hosts[slowest].is_string() ? hosts[slowest].get<std::string>() : std::string("?"))),
        slow ? " class=\"best\"" : "", of_rank(slowest) / *median);
  }
  if (rows.empty()) return rows;
  return table("What a step takes the ranks",
               head("phase") + head("median rank", "ms per step") + head("slowest rank", "ms per step") +
                   head("which") + head("of the median", "bold: slow"),
               rows) +
         note("Of the ranks' own work: what a rank waits for others, and the first step, are left out.");
}

std::string key_value_table(const Json& object) {
  std::string rows;
  if (object.is_object()) add_leaves(object, "", rows);
  return rows.empty() ? rows : table("Provenance", head("key") + head("value"), rows, true);
}

}  // namespace ddls::report
