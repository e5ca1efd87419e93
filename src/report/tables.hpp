#pragma once
// The tables of the page, as HTML. Empty texts where there is nothing to show.
#include <string>

#include "report/run_data.hpp"

namespace ddls::report {

std::string metrics_table(const RunData& run);  // methods x metrics, real data below
std::string sampler_table(const RunData& run);  // how the samples were made: steps, acceptance, speed
std::string mixing_table(const RunData& run);   // effective draws, per second and per evaluation
std::string paper_table(const RunData& run);    // Table 1 of the paper beside this run; 25 Gaussians only
// How the score became a log-ratio, and how well before and after; only where train.calibration was used.
std::string calibration_table(const RunData& run);
std::string ranks_table(const RunData& run);  // what a step takes the ranks, and the slowest; more than one rank
// Every leaf of a JSON object as a row "a.b.c", value.
std::string key_value_table(const Json& object);

}  // namespace ddls::report
