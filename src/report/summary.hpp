#pragma once
// The main numbers in words: for the top of the page and for the terminal.
#include <string>

#include "report/run_data.hpp"

namespace ddls::report {

// "High quality: 70.10 % (generator) → 98.02 % (DDLS, 1000 steps), 97.90 % (MALA, 1000 steps)." Plain text, one line
// per metric, of more than four samplers the best three; empty where there are no numbers.
std::string headline(const RunData& run);

}  // namespace ddls::report
