#pragma once
// Curves as inline SVG. Colours are CSS variables of the page (html.hpp), so the figure follows a light or dark page.
#include <string>
#include <vector>

#include "report/palette.hpp"

namespace ddls::report {

struct Series {
  std::string label;  // written at the line's right end or below the axis, and into its tool tip
  Style style;
  std::vector<double> x, y;  // finite, equally many
};

struct Plot {
  std::string title, x_label, y_label;
  std::vector<Series> series;
  bool log_y = false;  // only where all y > 0; else the axis stays linear
  struct Level {       // a horizontal dashed line, e.g. the value of real data
    std::string label;
    double value = 0;
  };
  std::vector<Level> levels;
};

// An <svg> element with its title and a description for those who do not see it; an empty text where no series has
// points. Up to six lines are named at their right ends, more of them below the axis.
std::string svg_plot(const Plot& plot);
// The same as a figure of the page, whose numbers can be downloaded (plot_figure of html.hpp).
std::string figure_of(const Plot& plot);

struct Bars {
  std::string title, y_label;
  Style style;  // its colour
  std::vector<double> values;
  double level = 0;  // a dashed line across
  std::string level_label;
};
std::string svg_bars(const Bars& bars);
std::string figure_of(const Bars& bars);

// All positive and spread over more than a factor of 50.
bool wants_log(const std::vector<Series>& series);

// At most `count` points: means over equal shares of neighbours; the first and the last point stay as they are.
Series thinned(const Series& series, size_t count = 500);

}  // namespace ddls::report
