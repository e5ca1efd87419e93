#include "report/summary.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "base/files.hpp"
#include "report/metrics.hpp"
#include "report/palette.hpp"
#include "report/records.hpp"
#include "report/report.hpp"

namespace ddls {
namespace {

std::string clause(const Metric& metric, const MethodRun& method) {
  const auto steps = number_at(method.summary, "steps");
  return fmt::format("{}{} ({}{})", metric_text(metric, metrics_of_method(method)).text, metric.unit == "%" ? " %" : "",
                     method_title(method.name), steps && *steps > 0 ? fmt::format(", {:.0f} steps", *steps) : "");
}

// The generator first: what the samplers start from.
std::string sentence(const Metric& metric, const RunData& run) {
  std::string before, after;
  for (const MethodRun& method : run.methods) {
    if (!metric_value(metric, metrics_of_method(method))) continue;
    std::string& part = method.name == "generator" ? before : after;
    if (!part.empty()) part += ", ";
    part += clause(metric, method);
  }
  if (before.empty() && after.empty()) return {};
  std::string title = metric.title;
  title[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(title[0])));
  return fmt::format("{}: {}{}{}.", title, before, before.empty() || after.empty() ? "" : " → ", after);
}

size_t columns_of(const std::string& text) {  // UTF-8: bytes that begin a character
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

using Row = std::vector<std::string>;

std::string aligned(const std::vector<Row>& rows) {
  std::string text;
  for (const Row& row : rows) {
    for (size_t column = 0; column < row.size(); ++column) {
      size_t width = 0;
      for (const Row& other : rows) width = std::max(width, columns_of(other[column]));
      const std::string fill(width - columns_of(row[column]), ' ');
      text += column == 0 ? row[column] + fill : "   " + fill + row[column];
    }
    text.erase(text.find_last_not_of(' ') + 1);
    text += '\n';
  }
  return text;
}

}  // namespace

std::string headline(const RunData& run) {
  std::string text;
  for (const Metric& metric : all_metrics()) {
    if (!metric.main || metric.better == Better::like_real) continue;
    const std::string next = sentence(metric, run);
    if (!next.empty()) text += (text.empty() ? "" : "\n") + next;
  }
  return text;
}

std::string summary_text(const fs::path& run_folder) {
  const RunData run = read_run_summary(run_folder);
  std::vector<Metric> metrics;
  for (const Metric& metric : metrics_of(run)) {
    if (metric.main) metrics.push_back(metric);
  }
  std::vector<Row> rows{{"method"}};
  for (const Metric& metric : metrics) rows[0].push_back(metric.title + (metric.unit == "%" ? ", %" : ""));
  rows[0].push_back("time, s");
  const auto add = [&](const std::string& name, const Json& values, const Json& summary) {
    Row row{method_title(name)};
    for (const Metric& metric : metrics) {
      const MetricText value = metric_text(metric, values);
      row.push_back(value.absent ? "n/a" : value.text);
    }
    const auto seconds = number_at(summary, "seconds");
    row.push_back(seconds ? fmt::format("{:.1f}", *seconds) : "");
    rows.push_back(row);
  };
  for (const MethodRun& method : run.methods) add(method.name, metrics_of_method(method), method.summary);
  if (metrics_of_real(run).is_object()) add("real", metrics_of_real(run), Json());
  return aligned(rows) + "report: " + (run_folder / "report.html").string() + "\n";
}

}  // namespace ddls
