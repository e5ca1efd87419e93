#pragma once
// Several runs on one page: their metrics in one table, and FD, IS and the like over training and over Langevin steps
// as one line per run. One process; no MPI.
#include <filesystem>
#include <vector>

namespace ddls::report {

// Each folder is a run with its report.json. The page names the options in which the runs differ.
// Throws Error: missing (no report.json), data (a damaged file; runs whose metrics do not compare: another extractor,
// reference set or count of it).
void write_comparison(const std::vector<std::filesystem::path>& runs, const std::filesystem::path& page_file);

}  // namespace ddls::report
