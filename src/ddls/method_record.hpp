#pragma once
// What report.json says of a method besides its metrics, from the files of its samples folder alone.
#include <filesystem>

#include "base/json.hpp"

namespace ddls::sampling {

// count, seconds, whether the kernel is exact, and for chains: steps, speed, temperature, R-hat and ESS, the mean of
// every rate (acceptance, divergent, swap_acceptance, jump_probability) and of the squared jump over all steps, and
// what an effective draw costs:
//   ess_per_second      ESS of all chains over the seconds of the steps that it was taken from, warm-up left out
//   ess_per_evaluation  ESS of a chain over the evaluations of those steps, with gradient or without alike
// Throws Error: missing (no samples), data (damaged).
Json method_record(const std::filesystem::path& samples_folder);

}  // namespace ddls::sampling
