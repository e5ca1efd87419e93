#pragma once
// What metrics of balls have in common: each set's first rows, and balls that reach the k-th neighbour.
#include <algorithm>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "metrics/registry.hpp"

namespace ddls::metrics {

inline void bind_balls(config::Section& s, int64_t& k, int64_t& count) {
  s.value("k", &k, "balls reach the k-th neighbour", config::at_least(1));
  s.value("count", &count, "the first so many images of each set", config::at_least(2));
}

inline MetricNeeds first_rows(int64_t count) { return {.rows = count, .reference_rows = count}; }

// In the protocol of metric NAME: NAME.k, NAME.count, NAME.reference_count.
inline std::vector<MetricKey> ball_keys(const std::string& name) {
  return {{name, "metric " + name},
          {name + ".k", "neighbour that a ball reaches"},
          {name + ".count", "the first of the set, as used", "samples"},
          {name + ".reference_count", "the first of the reference, as used", "samples"}};
}

// `asked`: of the options; `count`, `reference_count`: what the sets have.
inline Json ball_protocol(int64_t k, int64_t asked, int64_t count, int64_t reference_count) {
  return {{"k", k}, {"count", std::min(asked, count)}, {"reference_count", std::min(asked, reference_count)}};
}

}  // namespace ddls::metrics
