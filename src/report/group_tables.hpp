#pragma once
// Mean and spread over seeds, as the tables of a page, of a paper and of a spreadsheet.
#include <string>
#include <vector>

#include "report/run_groups.hpp"

namespace ddls::report {

// Empty where no group has two runs.
std::string group_html(const std::vector<RunGroup>& groups, const std::vector<GroupValue>& values);
// A tabular: a row per configuration and method, a column per metric; mean ± sd, a star where p against the generator
// is below 0.05. Needs no package.
std::string group_latex(const std::vector<RunGroup>& groups, const std::vector<GroupValue>& values);
// A row per configuration, method and metric (RFC 4180): all digits, in the units of report.json.
std::string group_csv(const std::vector<RunGroup>& groups, const std::vector<GroupValue>& values);

}  // namespace ddls::report
