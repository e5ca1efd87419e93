#pragma once
// What the energies of a run are worth (`energies` of report.json), for a reader. Empty texts where the run has none.
#include <string>
#include <vector>

#include "report/run_data.hpp"

namespace ddls::report {

// "short run, not p0 e^r" where report.json says that of the method (`short_run`); otherwise empty.
std::string law_note(const MethodRun& method);
std::string with_law(const std::string& title, const MethodRun& method);  // "DDLS (short run, not p0 e^r)"

struct EnergyRow {
  std::string title;   // "nats gained"
  std::string values;  // "2.91 (2.80 to 3.03)"; "–" where it is not known
};
// Of one energy; the same titles in the same order for all.
std::vector<EnergyRow> energy_rows(const Json& energy);

std::string energy_table(const RunData& run);  // HTML, with its heading and notes
std::string energy_lines(const RunData& run);  // for the terminal, a line per energy

}  // namespace ddls::report
