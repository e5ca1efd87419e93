#pragma once
// Draws every figure of a run and writes it below samples/; what the page shows comes back.
#include <string>
#include <vector>

#include "report/run_data.hpp"

namespace ddls::report {

struct Picture {
  std::string png;  // the file's bytes
  std::string caption;
  bool wide = false;  // has a row of the page for itself
};

struct Pictures {
  std::vector<Picture> samples, neighbours, paths;
  std::vector<std::string> missing;  // what a reader would look for, and why it is not there
};

Pictures draw_figures(const RunData& run);

}  // namespace ddls::report
