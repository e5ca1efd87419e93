#include "base/timeline.hpp"

#include "base/error.hpp"

namespace ddls {

void Timeline::open(size_t activity) {
  open_.push_back(spans_.size());
  spans_.push_back({activity, 0, 0, 0});
  const double now = clock_s_();  // last, so that what is done here counts for the span around
  spans_.back().begin_s = spans_.back().end_s = now;
}

size_t Timeline::close() {
  const double now = clock_s_();
  ensure(!open_.empty(), "a timeline was closed that nothing is open on");
  Span& span = spans_[open_.back()];
  open_.pop_back();
  span.end_s = now;
  span.own_s += now - span.begin_s;
  if (!open_.empty()) spans_[open_.back()].own_s -= now - span.begin_s;
  return span.activity;
}

}  // namespace ddls
