#include "report/group_tables.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "report/energy.hpp"
#include "report/html.hpp"
#include "report/metrics.hpp"
#include "report/palette.hpp"

namespace ddls::report {
namespace {

std::string mean_text(const GroupValue& value, const char* plus_minus) {
  const int decimals = value.metric->decimals;
  const std::string mean = written(value.value.mean, decimals);
  return value.value.sd ? fmt::format("{} {} {}", mean, plus_minus, written(*value.value.sd, decimals)) : mean;
}

std::string test_text(const std::optional<PairedTest>& test, int decimals) {
  if (!test) return "–";
  const std::string difference = (test->difference > 0 ? "+" : "") + written(test->difference, decimals);
  const std::string pairs = fmt::format("{} pair{}", test->pairs, test->pairs == 1 ? "" : "s");
  return test->p ? fmt::format("{}, p = {:.2g}, {}", difference, *test->p, pairs)
                 : fmt::format("{}, {}", difference, pairs);
}

std::string for_latex(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (std::string_view("&%$#_{}").find(c) != std::string_view::npos) out += '\\';
    if (c == '\\')
      out += "\\textbackslash{}";
    else if (c == '~' || c == '^')
      out += fmt::format("\\{}{{}}", c);
    else
      out += c;
  }
  for (const auto& [sign, command] : {std::pair{"→", "$\\to$"}, std::pair{"∞", "$\\infty$"}})
    for (size_t at; (at = out.find(sign)) != std::string::npos;)
      out.replace(at, std::string_view(sign).size(), command);
  return out;
}

std::string for_csv(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? "\"\"" : std::string(1, c);
  return out + '"';
}

const GroupValue* find_value(const std::vector<GroupValue>& values, size_t group, const std::string& method,
                             const metrics::MetricColumn* metric) {
  const auto found = std::ranges::find_if(values, [&](const GroupValue& value) {
    return value.group == group && value.method == method && value.metric == metric;
  });
  return found == values.end() ? nullptr : &*found;
}

std::vector<std::string> methods_in(const std::vector<GroupValue>& values, size_t group) {
  std::vector<std::string> methods;
  for (const GroupValue& value : values)
    if (value.group == group && std::ranges::find(methods, value.method) == methods.end())
      methods.push_back(value.method);
  return methods;
}

std::string latex_row(const std::string& name, const std::string& method, size_t group,
                      const std::vector<GroupValue>& values, const std::vector<const metrics::MetricColumn*>& columns) {
  std::string row = fmt::format("{} & {}", for_latex(name), for_latex(method));
  for (const metrics::MetricColumn* column : columns) {
    const GroupValue* const value = find_value(values, group, method, column);
    const bool star = value && value->generator && value->generator->p && *value->generator->p < 0.05;
    row += value ? fmt::format(" & ${}{}$", mean_text(*value, "\\pm"), star ? "^{*}" : "") : " & --";
  }
  return row + " \\\\\n";
}

// Columns of a spreadsheet that hold a test.
std::string csv_test(const std::optional<PairedTest>& test, double factor) {
  if (!test) return ",,,";
  return fmt::format(",{},{},{}", test->pairs, test->difference / factor, test->p ? fmt::format("{}", *test->p) : "");
}

}  // namespace

std::string group_html(const std::vector<RunGroup>& groups, const std::vector<GroupValue>& values) {
  if (std::ranges::none_of(groups, [](const RunGroup& group) { return group.runs.size() > 1; })) return {};
  const bool several = groups.size() > 1;
  std::string heads =
      head("metric") + head("configuration") + head("runs") + head("mean ± sd") + head("against generator");
  if (several) heads += head("against " + escape(groups.front().name));
  std::string rows;
  for (const GroupValue& value : values) {
    rows += "<tr>" + row_head(escape(full_title(*value.metric)) + ", " + escape(method_title(value.method))) +
            fmt::format("<td>{}</td><td>{}</td><td>{}</td><td>{}</td>", escape(groups[value.group].name),
                        value.value.runs, mean_text(value, "±"), test_text(value.generator, value.metric->decimals));
    if (several) rows += "<td>" + test_text(value.first, value.metric->decimals) + "</td>";
    rows += "</tr>\n";
  }
  return table("Runs of one configuration, over their seeds", heads, rows, true) +
         note(
             "sd over the runs of a configuration, divisor runs - 1. Differences are of runs of the same seed and the "
             "same latents, with Student's paired test, two-sided.");
}

std::string group_latex(const std::vector<RunGroup>& groups, const std::vector<GroupValue>& values) {
  std::vector<const metrics::MetricColumn*> columns;
  for (const GroupValue& value : values)
    if (std::ranges::find(columns, value.metric) == columns.end()) columns.push_back(value.metric);
  std::string text =
      "% mean and sd over the runs of a configuration; *: p < 0.05 against the generator of the same runs, paired "
      "t-test\n";
  text += fmt::format("\\begin{{tabular}}{{ll{}}}\n\\hline\nconfiguration & method", std::string(columns.size(), 'r'));
  for (const metrics::MetricColumn* column : columns) text += " & " + for_latex(full_title(*column));
  text += " \\\\\n\\hline\n";
  for (size_t group = 0; group < groups.size(); ++group)
    for (const std::string& method : methods_in(values, group))
      text += latex_row(fmt::format("{} (n = {})", groups[group].name, groups[group].runs.size()), method, group,
                        values, columns);
  return text + "\\hline\n\\end{tabular}\n";
}

std::string group_csv(const std::vector<RunGroup>& groups, const std::vector<GroupValue>& values) {
  std::string text =
      "configuration,method,metric,runs,mean,sd,generator_pairs,generator_difference,generator_p,first_pairs,"
      "first_difference,first_p\r\n";
  for (const GroupValue& value : values)
    text += fmt::format("{},{},{},{},{},{}{}{}\r\n", for_csv(groups[value.group].name), for_csv(value.method),
                        for_csv(value.metric->path), value.value.runs, value.value.mean / value.metric->factor,
                        value.value.sd ? fmt::format("{}", *value.value.sd / value.metric->factor) : "",
                        csv_test(value.generator, value.metric->factor), csv_test(value.first, value.metric->factor));
  return text;
}

}  // namespace ddls::report
