#pragma once
// Several runs on one page: their metrics in one table, and FD, IS and the like over training and over Langevin steps
// as one line per run; runs of one configuration with mean and spread over seeds. One process; no MPI.
#include <filesystem>
#include <vector>

namespace ddls::report {

// The same as files of their own; empty: none.
struct ComparisonTables {
  std::filesystem::path latex, csv;
};

// Each folder is a run with its report.json. The page names the options in which the runs differ.
// Throws Error: missing (no report.json), data (a damaged file; runs whose metrics do not compare: another extractor,
// reference set or count of it).
void write_comparison(const std::vector<std::filesystem::path>& runs, const std::filesystem::path& page_file,
                      const ComparisonTables& tables = {});

}  // namespace ddls::report
