#pragma once
// The report of a run: a pure function of its directory (docs/formats.md, section 2). One process; no MPI.
#include <filesystem>
#include <string>
#include <vector>

namespace ddls::report {

// Draws the figures below RUN/samples/ (METHOD/grid.png, METHOD/trajectory.png, METHOD/neighbours.png, comparison.png
// and sweep.png for points, real.png and pairs.png for images) and writes RUN/report.html, one self-contained file.
// Only report.json is needed; what else is absent is left out, and the page says so. What was there from an earlier
// call is replaced. Throws Error: missing (no report.json), data (a damaged file of the run; names it), runtime (cannot
// write).
void write_report(const std::filesystem::path& run_folder);

// The figures of samples alone: what write_report draws below RUN/samples/ of these methods and of real.npz, without a
// report.json. Throws Error: data, runtime.
void write_pictures(const std::filesystem::path& run_folder, const std::vector<std::string>& methods);

// The table for the terminal at the end of a run: methods x main metrics, and where the report is. Reads report.json
// alone. Ends with a line break. Throws Error: missing, data.
std::string summary_text(const std::filesystem::path& run_folder);

}  // namespace ddls::report
