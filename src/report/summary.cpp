#include "report/summary.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <vector>

#include "base/files.hpp"
#include "report/energy.hpp"
#include "report/metrics.hpp"
#include "report/palette.hpp"
#include "report/records.hpp"
#include "report/report.hpp"

namespace ddls::report {
namespace {

std::string clause(const metrics::MetricColumn& metric, const MethodRun& method) {
  const auto steps = number_at(method.summary, "steps");
  return fmt::format("{}{} ({}{}{})", metric_text(metric, metrics_of_method(method)).text,
                     metric.unit == "%" ? " %" : "", method_title(method.name),
                     steps && *steps > 0 ? fmt::format(", {:.0f} steps", *steps) : "",
                     law_note(method).empty() ? "" : ": " + law_note(method));
}

// The generator first: what the samplers start from. Of many samplers the best alone.
std::string sentence(const metrics::MetricColumn& metric, const RunData& run) {
  constexpr size_t most = 4, best = 3;
  std::string before, after;
  std::vector<const MethodRun*> others;
  for (const MethodRun& method : run.methods) {
    if (!metric_value(metric, metrics_of_method(method))) continue;
    if (method.name == "generator")
      before = clause(metric, method);
    else
      others.push_back(&method);
  }
  const size_t count = others.size();
  if (count > most) {
    const auto value = [&](const MethodRun* method) { return *metric_value(metric, metrics_of_method(*method)); };
    std::stable_sort(others.begin(), others.end(), [&](const MethodRun* a, const MethodRun* b) {
      return metric.better == metrics::Better::higher ? value(a) > value(b) : value(a) < value(b);
    });
    others.resize(best);
  }
  for (const MethodRun* method : others) after += (after.empty() ? "" : ", ") + clause(metric, *method);
  if (count > most) after += fmt::format(", and {} more", count - best);
  if (before.empty() && after.empty()) return {};
  std::string title = metric.title;
  title[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(title[0])));
  return fmt::format("{}: {}{}{}.", title, before, before.empty() || after.empty() ? "" : " → ", after);
}

size_t width_of(const std::string& text) {  // UTF-8: bytes that begin a character
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

using Column = std::vector<std::string>;

size_t width_of(const Column& column) {
  size_t width = 0;
  for (const std::string& cell : column) width = std::max(width, width_of(cell));
  return width;
}

size_t width_of(const std::vector<Column>& columns) {
  size_t width = 0;
  for (const Column& column : columns) width += width_of(column) + (width == 0 ? 0 : 3);
  return width;
}

std::string aligned(const std::vector<Column>& columns) {
  std::string text;
  for (size_t row = 0; row < columns.front().size(); ++row) {
    for (size_t column = 0; column < columns.size(); ++column) {
      const std::string& cell = columns[column][row];
      const std::string fill(width_of(columns[column]) - width_of(cell), ' ');
      text += column == 0 ? cell + fill : "   " + fill + cell;
    }
    text.erase(text.find_last_not_of(' ') + 1);
    text += '\n';
  }
  return text;
}

}  // namespace

std::string headline(const RunData& run) {
  std::string text;
  for (const metrics::MetricColumn& metric : metric_columns()) {
    if (!metric.main || metric.better == metrics::Better::like_real) continue;
    const std::string next = sentence(metric, run);
    if (!next.empty()) text += (text.empty() ? "" : "\n") + next;
  }
  return text;
}

std::string summary_text(const fs::path& run_folder) {
  constexpr size_t widest = 100;  // of the tables below the first
  const RunData run = read_run_summary(run_folder);
  std::vector<const Json*> values;
  Column heads{"method"};
  Column seconds{"time, s"};
  for (const MethodRun& method : run.methods) {
    heads.push_back(with_law(method_title(method.name), method));
    values.push_back(&metrics_of_method(method));
    const auto time = number_at(method.summary, "seconds");
    seconds.push_back(time ? fmt::format("{:.1f}", *time) : "");
  }
  if (metrics_of_real(run).is_object()) {
    heads.push_back(method_title("real"));
    values.push_back(&metrics_of_real(run));
    seconds.emplace_back();
  }
  std::vector<Column> first{heads}, others{heads};
  std::string text;
  for (const metrics::MetricColumn& metric : columns_of(run)) {
    const bool with_unit = metric.unit == "%" || (!metric.main && !metric.unit.empty());
    Column column{metric.title + (with_unit ? ", " + metric.unit : "")};
    for (const Json* one : values) {
      const MetricText value = metric_text(metric, *one);
      column.push_back(value.absent ? "n/a" : value.text);
    }
    std::vector<Column>& table = metric.main ? first : others;
    if (!metric.main && others.size() > 1 && width_of(others) + 3 + width_of(column) > widest) {
      text += "\n" + aligned(others);
      others = {heads};
    }
    table.push_back(column);
  }
  first.push_back(seconds);
  if (others.size() > 1) text += "\n" + aligned(others);
  return aligned(first) + text + energy_lines(run) + "report: " + (run_folder / "report.html").string() + "\n";
}

}  // namespace ddls::report
