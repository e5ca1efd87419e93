#pragma once
// Spans in the Trace Event Format ("JSON Object Format" with complete events), which chrome://tracing and
// ui.perfetto.dev open.
#include <string>
#include <vector>

#include "base/json.hpp"
#include "base/timeline.hpp"

namespace ddls {

struct TraceLabel {
  std::string name, category;
  Json arguments = Json::object();  // shown when the event is selected
};

// One track, called `track`; times count from the first span. labels[i] is that of activity i.
Json chrome_trace(const std::vector<Span>& spans, const std::vector<TraceLabel>& labels, const std::string& track);

}  // namespace ddls
