#include "base/chrome_trace.hpp"
#include "base/json.hpp"

#include <cmath>
#include <cstdint>

namespace ddls {

Json chrome_trace(const std::vector<Span>& spans, const std::vector<TraceLabel>& labels, const std::string& track) {
  Json events = Json::array();
  for (const auto& [kind, name] :
       {std::pair("process_name", std::string("ddls_dist")), std::pair("thread_name", track)})
    events.push_back({{"name", kind}, {"ph", "M"}, {"pid", 0}, {"tid", 0}, {"args", {{"name", name}}}});
  // Whole nanoseconds, so that a span still lies inside the one around it.
  const auto nanoseconds = [&](double seconds) { return std::llround((seconds - spans.front().begin_s) * 1e9); };
  const auto microseconds = [](int64_t ns) { return static_cast<double>(ns) / 1000; };
  for (const Span& span : spans) {
    const TraceLabel& label = labels.at(span.activity);
    const int64_t begin = nanoseconds(span.begin_s), end = nanoseconds(span.end_s);
    Json event{{"name", label.name},
               {"cat", label.category},
               {"ph", "X"},
               {"ts", microseconds(begin)},
               {"dur", microseconds(end - begin)},
               {"pid", 0},
               {"tid", 0}};
    if (!label.arguments.empty()) event["args"] = label.arguments;
    events.push_back(std::move(event));
  }
  return {{"displayTimeUnit", "ms"}, {"traceEvents", std::move(events)}};
}

}  // namespace ddls
