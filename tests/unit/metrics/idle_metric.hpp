#pragma once
// A metric that does nothing, in a registry of its own beside the program's: what one more metric needs is here.
#include <vector>

#include "base/json.hpp"
#include "metrics/entry.hpp"

namespace ddls::test {

struct IdleMetricOptions {
  double value = 0.5;
};

inline metrics::Metric idle_metric() {
  return metrics::described<IdleMetricOptions>(
      {.name = "idle",
       .summary = "does nothing",
       .options = [](config::Section& s,
                     IdleMetricOptions& o) { s.value("value", &o.value, "what it comes to", config::inside(0, 1)); },
       .keys = {{"idleness", "as configured", "", metrics::MetricColumn{.title = "idleness", .curve = "idleness"}}},
       .protocol_keys = {{"idle", "that nothing was done"}},
       .compute =
           [](const IdleMetricOptions& o, const metrics::MetricInputs&) {
             return Json{{"idleness", o.value}};
           },
       .protocol =
           [](const auto&...) {
             return Json{{"idle", true}};
           }});
}

inline std::vector<metrics::Metric> with_idle_metric() {
  std::vector<metrics::Metric> all(metrics::known_metrics().begin(), metrics::known_metrics().end());
  all.push_back(idle_metric());
  return all;
}

}  // namespace ddls::test
