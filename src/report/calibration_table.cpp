#include <fmt/format.h>

#include "report/html.hpp"
#include "report/records.hpp"
#include "report/svg_axis.hpp"
#include "report/tables.hpp"

namespace ddls::report {
namespace {

struct CalibrationColumn {
  const char* key;
  const char* title;
  const char* unit;
};
constexpr CalibrationColumn columns[] = {{"cross_entropy", "cross-entropy", "nats, lower is better"},
                                         {"brier", "Brier", "lower is better"},
                                         {"ece", "ECE", "15 bins, lower is better"},
                                         {"z", "Z", "N(0, 1) if calibrated"},
                                         {"nats", "nats gained", "over the generator, higher is better"},
                                         {"ess", "ESS", "share of prior draws, weighted by e^r"}};

// Empty where there is none.
std::string short_at(const Json& record, const char* key) {
  const auto value = number_at(record, key);
  return value ? short_number(*value) : std::string();
}

// Of a tilt: what its sum runs over.
std::string about_tilt(const Json& record) {
  const Json& kinds = at_path(record, "feature_kinds");
  if (!kinds.is_array()) return {};
  std::string text = fmt::format(" Ridge {}; features: the score", short_at(record, "ridge"));
  for (const Json& kind : kinds) {
    const std::string name = text_at(kind, "name"), components = text_at(kind, "components");
    const bool used = at_path(kind, "used") == true;
    // Terms come in this order: components, squares, products of the first components.
    const double beyond = number_at(kind, "columns").value_or(0) - 2 * number_at(kind, "components").value_or(0);
    const std::string more = beyond > 0 ? fmt::format(", their squares and {} products of pairs", short_number(beyond))
                             : beyond == 0 ? " and their squares"
                                           : "";
    const Json& groups = at_path(kind, "groups");
    const std::string in = groups.size() > 1 ? fmt::format(" in {} groups", groups.size()) : "";
    text += used ? fmt::format(", {} components of {}{}{}", components, name, in, more)
                 : fmt::format(", not {} (no more nats with them)", name);
  }
  return text + ".";
}

std::vector<CalibrationColumn> columns_of(const Json& record) {
  std::vector<CalibrationColumn> present;
  for (const CalibrationColumn& column : columns)
    if (number_at(record, fmt::format("after.{}", column.key))) present.push_back(column);
  return present;
}

std::string row(const Json& record, const char* key, const char* title) {
  std::string cells = row_head(title);
  for (const CalibrationColumn& column : columns_of(record)) {
    const auto value = number_at(record, fmt::format("{}.{}", key, column.key));
    cells += value ? fmt::format("<td title=\"{}\">{}</td>", *value, short_number(*value)) : "<td class=\"na\">–</td>";
  }
  return "<tr>" + cells + "</tr>\n";
}

}  // namespace

std::string calibration_table(const RunData& run) {
  const Json& record = at_path(run.report, "calibration");
  if (!record.is_object()) return {};
  const std::string method = text_at(record, "method"), heading = "<h3>The score as log-ratio</h3>\n";
  if (!at_path(record, "before").is_object())
    return heading + note(fmt::format("Not fitted: r = {} x score.", text_at(record, "scale")));
  std::string heads = head("held-out samples");
  for (const CalibrationColumn& column : columns_of(record)) heads += head(column.title, column.unit);
  const std::string alpha = short_at(record, "alpha"), beta = short_at(record, "beta");
  return heading +
         table("The score as log-ratio", heads,
               row(record, "before", "score as it is") + row(record, "after", "calibrated")) +
         note(fmt::format("Calibrated by {}{}{} on {} held-out reals and {} fakes, reported on {} and {} others.{}",
                          method, alpha.empty() ? "" : ", alpha " + alpha, beta.empty() ? "" : ", beta " + beta,
                          text_at(record, "reals.fitted_on"), text_at(record, "fakes.fitted_on"),
                          text_at(record, "reals.reported_on"), text_at(record, "fakes.reported_on"),
                          about_tilt(record)));
}

}  // namespace ddls::report
