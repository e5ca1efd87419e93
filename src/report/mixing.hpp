#pragma once
// Whether chains have mixed, in words: rank-normalised split R-hat and bulk effective sample size (Vehtari et al. 2021)
// of report.json, read with that paper's thresholds (R-hat below 1.01, at least 400 effective draws in all).
#include <string>

#include "report/run_data.hpp"

namespace ddls::report {

// False where R-hat says that the chains still remember where they began: their ESS then is about one draw per chain,
// however long they ran, and says nothing of the kernel.
bool may_have_mixed(const MethodRun& method);

// What the columns of mixing_table mean.
std::string mixing_legend();

// One paragraph of HTML per diagnosed method; empty where none was.
std::string mixing_notes(const RunData& run);

}  // namespace ddls::report
