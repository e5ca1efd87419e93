#pragma once
// The metrics of report.json as a reader meets them: names, units, direction, and how their values are written.
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "report/run_data.hpp"

namespace ddls {

enum class Better { higher, lower, like_real };

struct Metric {
  std::string path;         // within "metrics": "kid.unbiased"
  std::string spread_path;  // of the value after "±"; empty where there is none
  std::string title, unit;
  Better better = Better::higher;
  double factor = 1;  // report.json's value times this is what is written
  int decimals = 3;   // 0: a whole number; negative: so many significant digits
  bool main = false;  // also in the terminal's table and the headline
};

std::span<const Metric> all_metrics();
// Those that at least one method, or the real data, has (as a number or as null).
std::vector<Metric> metrics_of(const RunData& run);

struct MetricText {
  std::string text;   // "98.2", "9.09 ± 0.10", or "n/a" with the reason
  std::string exact;  // all digits of report.json; empty without a value
  bool absent = false;
};
MetricText metric_text(const Metric& metric, const Json& metrics);
std::optional<double> metric_value(const Metric& metric, const Json& metrics);  // in the unit of the table

const Json& metrics_of_method(const MethodRun& method);
const Json& metrics_of_real(const RunData& run);

}  // namespace ddls
