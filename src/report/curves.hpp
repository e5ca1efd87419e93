#pragma once
// The curves of the page, as walls of SVG figures. Empty texts where there is nothing to show.
#include <string>

#include "report/run_data.hpp"

namespace ddls::report {

std::string chain_curves(const RunData& run);     // chains.jsonl: one figure per quantity, one line per method
std::string quality_curves(const RunData& run);   // metrics of snapshots against the step
std::string copy_curves(const RunData& run);      // the same of those that look for copies of training samples
std::string training_curves(const RunData& run);  // metrics.jsonl: per phase, related quantities together
std::string mode_bars(const RunData& run);        // 25 Gaussians: share of the high-quality samples in each mode

}  // namespace ddls::report
