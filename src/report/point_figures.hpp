#pragma once
// Figures of 2-D points. Every panel of a run shows the same window of the plane, with equal axes.
#include <string>
#include <vector>

#include "report/canvas.hpp"
#include "report/palette.hpp"
#include "report/run_data.hpp"

namespace ddls::report {

struct Window {
  double x0 = -1, y0 = -1, side = 2;  // a square
};

// Around the real points, or the samples where there are none, with a margin.
Window window_of(const RunData& run);

struct PointPanel {
  std::string title;
  at::Tensor points;  // [n, 2]
  Style style;
};

// Panels side by side. Behind every panel but those of real data (colour 0) stand the real points, faintly.
// `scale`: pixels per point of the drawing.
at::Tensor scatter_figure(const std::vector<PointPanel>& panels, const at::Tensor& real, const Window& window,
                          double scale = 1.6);

struct PathPanel {
  std::string title;
  at::Tensor paths;                 // [records, chains, 2]
  std::vector<int64_t> steps = {};  // of each record; empty: not known
};

// Paths of chains in one colour each, over the density of the real data: start is a ring, end a disc.
at::Tensor path_figure(const std::vector<PathPanel>& panels, const at::Tensor& real, const Window& window,
                       double scale = 1.6);

}  // namespace ddls::report
