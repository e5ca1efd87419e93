#include "report/point_figures.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "report/svg_axis.hpp"

namespace ddls::report {
namespace {

constexpr double panel_side = 380, panel_left = 44, panel_top = 30, panel_bottom = 30, gap = 14;
constexpr int64_t drawn_points = 10'000;
constexpr Colour edge{0.55, 0.58, 0.62, 1}, faint{0.45, 0.48, 0.53, 0.16};

// At most three in a row; four stand two by two.
size_t columns_of(size_t count) { return count == 4 ? 2 : std::min<size_t>(count, 3); }

struct PanelPlace {
  Box box;
  Window window;

  Point at(double x, double y) const {
    return {box.x + (x - window.x0) / window.side * box.width,
            box.y + box.height - (y - window.y0) / window.side * box.height};
  }
};

std::vector<Point> mapped(const at::Tensor& points, const PanelPlace& place) {
  const at::Tensor rows = points.to(at::kDouble).contiguous();
  const double* value = rows.data_ptr<double>();
  std::vector<Point> result;
  for (int64_t i = 0; i < rows.size(0); ++i) {
    if (std::isfinite(value[2 * i]) && std::isfinite(value[2 * i + 1])) {
      result.push_back(place.at(value[2 * i], value[2 * i + 1]));
    }
  }
  return result;
}

// The page of a figure with `count` panels, and their places.
struct Layout {
  Canvas canvas;
  std::vector<PanelPlace> places;

  Layout(size_t count, const Window& window, double scale) : canvas(make(count, scale)) {
    const size_t columns = columns_of(count);
    for (size_t i = 0; i < count; ++i) {
      const double column = static_cast<double>(i % columns), row = static_cast<double>(i / columns);
      places.push_back({{panel_left + column * (panel_side + panel_left + gap),
                         panel_top + row * (panel_side + panel_top + panel_bottom), panel_side, panel_side},
                        window});
    }
  }

 private:
  static Canvas make(size_t count, double scale) {
    const size_t columns = columns_of(count), rows = (count + columns - 1) / columns;
    return Canvas(static_cast<double>(columns) * (panel_side + panel_left + gap),
                  static_cast<double>(rows) * (panel_side + panel_top + panel_bottom), scale);
  }
};

void finish_panel(Canvas& canvas, const PanelPlace& place, const std::string& title) {
  const Box& box = place.box;
  canvas.frame(box, edge, 1);
  canvas.text(title, {box.x + box.width / 2, box.y - 10}, 14, Align::centre);
  for (const Tick& tick : linear_ticks(place.window.x0, place.window.x0 + place.window.side, 5)) {
    const Point p = place.at(tick.value, place.window.y0);
    canvas.path(std::vector<Point>{p, {p.x, p.y + 4}}, edge, 1);
    canvas.text(tick.label, {p.x, p.y + 17}, 11, Align::centre);
  }
  for (const Tick& tick : linear_ticks(place.window.y0, place.window.y0 + place.window.side, 5)) {
    const Point p = place.at(place.window.x0, tick.value);
    canvas.path(std::vector<Point>{p, {p.x - 4, p.y}}, edge, 1);
    canvas.text(tick.label, {p.x - 7, p.y + 4}, 11, Align::right);
  }
}

// Grey image [1, bins, bins] of the real points' density, white where there are none.
at::Tensor density_image(const at::Tensor& real, const Window& window) {
  constexpr int64_t bins = 128;
  const at::Tensor origin = at::tensor({window.x0, window.y0}, at::kDouble);
  const at::Tensor cell =
      ((real.to(at::kDouble) - origin) / window.side * static_cast<double>(bins)).floor().to(at::kLong);
  const at::Tensor inside = (cell.ge(0) & cell.lt(bins)).all(1);
  const at::Tensor kept = cell.index({inside});
  const at::Tensor index = (bins - 1 - kept.select(1, 1)) * bins + kept.select(1, 0);
  at::Tensor counts = at::bincount(index, {}, bins * bins).to(at::kFloat).view({1, 1, bins, bins});
  for (int pass = 0; pass < 2; ++pass) counts = at::avg_pool2d(counts, {3, 3}, {1, 1}, {1, 1});
  const at::Tensor shade = (counts / counts.max().clamp_min(1e-9)).sqrt();  // the root lifts thin parts
  return (255 - 105 * shade).to(at::kByte).view({1, bins, bins});
}

}  // namespace

Window window_of(const RunData& run) {
  at::Tensor points = run.real;
  for (const MethodRun& method : run.methods) {
    if (!points.defined()) points = method.samples;
  }
  if (!points.defined() || points.size(0) == 0) return {};
  points = points.to(at::kDouble).nan_to_num(0, 0, 0);
  const at::Tensor low = std::get<0>(points.min(0)), high = std::get<0>(points.max(0));
  const double x0 = low[0].item<double>(), x1 = high[0].item<double>();
  const double y0 = low[1].item<double>(), y1 = high[1].item<double>();
  const double side = 1.16 * std::max({x1 - x0, y1 - y0, 1e-6});
  return {(x0 + x1 - side) / 2, (y0 + y1 - side) / 2, side};
}

at::Tensor scatter_figure(const std::vector<PointPanel>& panels, const at::Tensor& real, const Window& window,
                          double scale) {
  Layout layout(panels.size(), window, scale);
  for (size_t i = 0; i < panels.size(); ++i) {
    const PointPanel& panel = panels[i];
    const PanelPlace& place = layout.places[i];
    layout.canvas.clip(place.box);
    if (real.defined() && panel.style.colour != 0) {
      layout.canvas.dots(mapped(real.slice(0, 0, drawn_points), place), faint, 1.6);
    }
    layout.canvas.dots(mapped(panel.points.slice(0, 0, drawn_points), place), colour_of(panel.style.colour, 0.4), 1.1);
    layout.canvas.unclip();
    finish_panel(layout.canvas, place, panel.title);
  }
  return layout.canvas.pixels();
}

at::Tensor path_figure(const std::vector<PathPanel>& panels, const at::Tensor& real, const Window& window,
                       double scale) {
  Layout layout(panels.size(), window, scale);
  Canvas& canvas = layout.canvas;
  const at::Tensor background = real.defined() ? density_image(real, window) : at::Tensor();
  for (size_t i = 0; i < panels.size(); ++i) {
    const PanelPlace& place = layout.places[i];
    canvas.clip(place.box);
    if (background.defined()) canvas.image(background, place.box, true);
    const int64_t chains = panels[i].paths.size(1);
    std::vector<std::vector<Point>> paths;
    for (int64_t c = 0; c < chains; ++c) paths.push_back(mapped(panels[i].paths.select(1, c), place));
    for (int64_t c = 0; c < chains; ++c) canvas.path(paths[static_cast<size_t>(c)], chain_colour(c, chains, 0.75), 1.1);
    for (int64_t c = 0; c < chains; ++c) {  // the marks above all paths
      const auto& path = paths[static_cast<size_t>(c)];
      if (path.empty()) continue;
      canvas.disc(path.front(), 4.2, {1, 1, 1, 0.9}, chain_colour(c, chains), 1.6);
      canvas.disc(path.back(), 4.2, chain_colour(c, chains), {1, 1, 1, 1}, 1);
    }
    canvas.unclip();
    finish_panel(canvas, place, panels[i].title);
  }
  return canvas.pixels();
}

}  // namespace ddls::report
