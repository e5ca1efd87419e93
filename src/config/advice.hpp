#pragma once
// What to write instead of a value that was refused: the end of its message, with a leading "; ". Empty where the
// message already says all, as for a number out of range.
#include <yaml-cpp/yaml.h>

#include <string>

#include "config/schema.hpp"

namespace ddls::config {

// `element`: `node` stands in a list.
std::string advice_for(const Field& field, const YAML::Node& node, bool element);
// `path`: of the section, "train.adam"; empty: the whole file.
std::string advice_for(const Section& section, const std::string& path);

}  // namespace ddls::config
