#pragma once
// Why two results differ: which parts of the protocol are not the same, and how much each explains where that can be
// known. One process; no MPI.
#include <filesystem>
#include <string>
#include <vector>

#include "base/json.hpp"

namespace ddls::report {

struct Explanation {
  Json record;       // docs/formats.md
  std::string text;  // the same for a person
};

// `a`, `b`: what `evaluate --json` wrote, or report.json. `caches`: folders with kept statistics, beside those that lie
// in the folders of the two. Throws Error: missing, data (no results of an evaluation; the two have no set in common).
Explanation explain_results(const std::filesystem::path& a, const std::filesystem::path& b,
                            const std::vector<std::filesystem::path>& caches);

}  // namespace ddls::report
