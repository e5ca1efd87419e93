#pragma once
// The metrics of report.json as a reader meets them: what metrics/registry.hpp says of them, and how values are
// written.
#include <optional>
#include <string>
#include <vector>

#include "metrics/registry.hpp"
#include "report/run_data.hpp"

namespace ddls::report {

const std::vector<metrics::MetricColumn>& metric_columns();  // of the registry
// Those that at least one method, or the real data, has (as a number or as null).
std::vector<metrics::MetricColumn> columns_of(const RunData& run);

std::string written(double value, int decimals);              // decimals < 0: so many digits; never "-0.000"
std::string full_title(const metrics::MetricColumn& metric);  // with its unit

struct MetricText {
  std::string text;   // "98.2", "9.09 ± 0.10", or "n/a" with the reason
  std::string exact;  // all digits of report.json; empty without a value
  bool absent = false;
};
MetricText metric_text(const metrics::MetricColumn& metric, const Json& metrics);
std::optional<double> metric_value(const metrics::MetricColumn& metric,
                                   const Json& metrics);  // in the unit of the table

const Json& metrics_of_method(const MethodRun& method);
const Json& metrics_of_real(const RunData& run);

}  // namespace ddls::report
