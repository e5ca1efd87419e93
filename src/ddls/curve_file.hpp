#pragma once
// chains.jsonl of a samples folder: a line per recorded step, means over all chains (docs/formats.md, section 5).
// Whoever evaluates the samples adds what he found at the steps whose sample sets are stored.
#include <filesystem>
#include <vector>

#include "base/json.hpp"

namespace ddls::sampling {

// The lines, in their order; every one has a whole number "step". Throws Error: missing, data (names the file).
std::vector<Json> read_curves(const std::filesystem::path& samples_folder);

// Every point {"step": .., "metrics"..} joins the line of its step, or becomes one. What an earlier evaluation added
// goes. The file stays one that its manifest vouches for, also when this is cut short.
void add_metrics(const std::filesystem::path& samples_folder, const std::vector<Json>& points);

}  // namespace ddls::sampling
