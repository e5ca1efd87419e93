#include <fmt/format.h>

#include "report/html.hpp"
#include "report/records.hpp"
#include "report/svg_axis.hpp"
#include "report/tables.hpp"

namespace ddls {
namespace {

struct Column {
  const char* key;
  const char* title;
  const char* unit;
};
constexpr Column columns[] = {{"cross_entropy", "cross-entropy", "nats, lower is better"},
                              {"brier", "Brier", "lower is better"},
                              {"ece", "ECE", "15 bins, lower is better"},
                              {"z", "Z", "N(0, 1) if calibrated"}};

std::string row(const Json& record, const char* key, const char* title) {
  std::string cells = fmt::format("<td>{}</td>", title);
  for (const Column& column : columns) {
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
  std::string head = "<th>held-out samples</th>";
  for (const Column& column : columns) head += fmt::format("<th>{}<small>{}</small></th>", column.title, column.unit);
  const std::string alpha = text_at(record, "alpha"), beta = text_at(record, "beta");
  return heading + "<div class=\"scroll\"><table><thead><tr>" + head + "</tr></thead><tbody>\n" +
         row(record, "before", "score as it is") + row(record, "after", "calibrated") + "</tbody></table></div>\n" +
         note(fmt::format("Calibrated by {}{}{} on {} held-out reals and as many fakes, reported on {} others.", method,
                          alpha.empty() ? "" : ", alpha " + alpha, beta.empty() ? "" : ", beta " + beta,
                          text_at(record, "reals.fitted_on"), text_at(record, "reals.reported_on")));
}

}  // namespace ddls
