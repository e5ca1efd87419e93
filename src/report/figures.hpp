#pragma once
// Draws every figure of a run and writes it below samples/; what the page shows comes back.
#include <string>
#include <vector>

#include "report/html.hpp"
#include "report/run_data.hpp"

namespace ddls::report {

struct Picture {
  std::vector<PageOfFigure> pages;  // of PNG; most figures have one
  std::string caption = {};
  std::string name = {};  // of the file that a reader saves, without its ending
  bool wide = false;      // has a row of the page for itself
  Paper paper = Paper::photo;
  Turn turn = Turn::buttons;
  std::string data = {};  // JSON of the numbers in it (html.hpp); empty: none
};

struct Pictures {
  std::vector<Picture> samples, neighbours, paths;
  std::vector<Picture> moving;       // the chains' samples step by step
  std::vector<std::string> missing;  // what a reader would look for, and why it is not there
};

Pictures draw_figures(const RunData& run);

std::string wall_of(const std::vector<Picture>& pictures);  // HTML; empty where there are none

}  // namespace ddls::report
