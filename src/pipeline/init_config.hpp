#pragma once
#include <string>

#include "base/json.hpp"

namespace ddls::pipeline {

// A commented configuration for a set, from what inspect_set found of it (the record). `path`: where the set is; it is
// written as an absolute path. The text loads, and runs as it is where the set has labels or holds points; else it says
// what is missing. Throws Error: data where nothing can be trained on the set (statistics, too few samples, points that
// are not of the plane).
std::string configuration_for(const Json& record, const std::string& path);

}  // namespace ddls::pipeline
