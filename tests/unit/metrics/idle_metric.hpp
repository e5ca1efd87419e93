#pragma once
// A metric that does nothing, in a registry of its own beside the program's: what one more metric needs is here.
#include <vector>

#include "metrics/entry.hpp"

namespace ddls::test {

struct IdleMetricOptions {
  double value = 0.5;
};

inline Metric idle_metric() {
  return described<IdleMetricOptions>(
      {.name = "idle",
       .summary = "does nothing",
       .options = [](Section& s,
                     IdleMetricOptions& o) { s.value("value", &o.value, "what it comes to", inside(0, 1)); },
       .keys = {{"idleness", "as configured", "", MetricColumn{.title = "idleness", .curve = "idleness"}}},
       .protocol_keys = {{"idle", "that nothing was done"}},
       .compute =
           [](const IdleMetricOptions& o, const MetricInputs&) {
             return nlohmann::ordered_json{{"idleness", o.value}};
           },
       .protocol =
           [](const auto&...) {
             return nlohmann::ordered_json{{"idle", true}};
           }});
}

inline std::vector<Metric> with_idle_metric() {
  std::vector<Metric> all(known_metrics().begin(), known_metrics().end());
  all.push_back(idle_metric());
  return all;
}

}  // namespace ddls::test
