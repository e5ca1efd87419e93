#include "report/svg_plot.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/json_text.hpp"
#include "report/html.hpp"
#include "report/svg_axis.hpp"

namespace ddls::report {
namespace {

constexpr double width = 480, height = 300, left = 72, top = 32, bottom = 46;
constexpr double letter = 8.8;         // width of a letter of a label, at most
constexpr size_t most_end_labels = 6;  // more lines are named below the axis
constexpr double legend_line = 17;

struct Axis {
  double low = std::numeric_limits<double>::infinity(), high = -low;
  double from = 0, to = 1;  // in the drawing
  bool log = false;

  void cover(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  void pad(double share) {
    if (log) {
      const double grow = std::max(std::pow(high / low, share), 1.02);
      low /= grow, high *= grow;
    } else {
      const double grow = high > low ? share * (high - low) : std::max(std::abs(high) * 0.05, 1e-9);
      low -= grow, high += grow;
    }
  }
  double at(double value) const {
    const double share = log ? std::log(value / low) / std::log(high / low) : (value - low) / (high - low);
    return from + share * (to - from);
  }
  std::vector<Tick> ticks(int wanted) const { return log ? log_ticks(low, high) : linear_ticks(low, high, wanted); }
};

std::string open_svg(const std::string& title, const std::string& description, double legend_height = 0) {
  return fmt::format(
      "<svg viewBox=\"0 0 {0} {1}\" role=\"img\" aria-label=\"{2}\"><title>{2}</title><desc>{3}</desc>"
      "<text x=\"14\" y=\"18\" class=\"t\">{2}</text>",
      width, height + legend_height, escape(title), escape(description));
}

double text_width(const std::string& text) {  // UTF-8: bytes that begin a character
  return letter *
         static_cast<double>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

// What a reader who does not see the lines would ask for.
std::string description_of(const Plot& plot) {
  std::string text = plot.y_label.empty() ? std::string() : plot.y_label + ". ";
  for (const Series& series : plot.series) {
    if (series.x.empty()) continue;
    text += fmt::format("{}: {} at {} {}, {} at {}. ", series.label.empty() ? plot.title : series.label,
                        short_number(series.y.front()), plot.x_label, short_number(series.x.front()),
                        short_number(series.y.back()), short_number(series.x.back()));
  }
  for (const Plot::Level& level : plot.levels) text += fmt::format("{}: {}. ", level.label, short_number(level.value));
  if (!text.empty()) text.pop_back();
  return text;
}

// Where the names of the lines stand.
struct Names {
  double right = 22;  // room beside the axis
  bool below = false;
  size_t columns = 1;
  double column_width = 0, height = 0;
};

Names names_of(const Plot& plot) {
  double longest = 0;
  for (const Series& series : plot.series) longest = std::max(longest, text_width(series.label));
  Names names;
  names.below = plot.series.size() + plot.levels.size() > most_end_labels || longest > width / 3;
  for (const Plot::Level& level : plot.levels) longest = std::max(longest, text_width(level.label));
  if (!names.below) {
    names.right += longest;
    return names;
  }
  const size_t count = plot.series.size() + plot.levels.size();
  names.column_width = std::min(0.8 * longest + 40, width - 20);  // they are not bold
  names.columns = std::max<size_t>(1, static_cast<size_t>((width - 20) / names.column_width));
  names.column_width = (width - 20) / static_cast<double>(names.columns);
  names.height = legend_line * static_cast<double>((count + names.columns - 1) / names.columns) + 14;
  return names;
}

// A line as it is drawn, and its name.
std::string legend(const Plot& plot, const Names& names) {
  std::string svg;
  size_t place = 0;
  const auto add = [&](const std::string& line, const std::string& label) {
    const double x = 14 + static_cast<double>(place % names.columns) * names.column_width;
    const double y = height + 14 + static_cast<double>(place / names.columns) * legend_line;
    svg += fmt::format("<path {} d=\"M{:.1f} {:.1f}h26\"/><text class=\"n\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text>", line,
                       x, y - 4, x + 32, y, escape(label));
    ++place;
  };
  for (const Series& series : plot.series)
    add(fmt::format("class=\"s\" stroke=\"var(--c{})\"{}", series.style.colour, dash_attribute(series.style.dash)),
        series.label);
  for (const Plot::Level& level : plot.levels) add("class=\"d\"", level.label);
  return svg;
}

std::string y_axis(const Axis& y, double right, const std::string& label) {
  std::string svg;
  for (const Tick& tick : y.ticks(5)) {
    const double at = y.at(tick.value);
    svg += fmt::format("<path class=\"g\" d=\"M{} {:.1f}H{}\"/><text class=\"k e\" x=\"{}\" y=\"{:.1f}\">{}</text>",
                       left, at, right, left - 6, at + 4, tick.label);
  }
  return svg + fmt::format("<text class=\"k m\" transform=\"translate(13 {:.1f}) rotate(-90)\">{}</text>",
                           (y.from + y.to) / 2, escape(label));
}

std::string x_axis(const Axis& x, const std::string& label) {
  std::string svg;
  const double base = height - bottom;
  for (const Tick& tick : x.ticks(6)) {
    const double at = x.at(tick.value);
    svg += fmt::format("<path class=\"a\" d=\"M{:.1f} {}v4\"/><text class=\"k m\" x=\"{:.1f}\" y=\"{}\">{}</text>", at,
                       base, at, base + 17, tick.label);
  }
  return svg + fmt::format("<path class=\"a\" d=\"M{} {}H{}\"/><text class=\"k m\" x=\"{:.1f}\" y=\"{}\">{}</text>",
                           x.from, base, x.to, (x.from + x.to) / 2, height - 8, escape(label));
}

struct EndLabel {
  double y = 0;
  int colour = 0;
  std::string text;
};

// Labels one under the other where their lines end close together, all inside the figure.
std::string end_labels(std::vector<EndLabel> labels, double x) {
  constexpr double line = 15;
  std::stable_sort(labels.begin(), labels.end(), [](const auto& a, const auto& b) { return a.y < b.y; });
  for (size_t i = 1; i < labels.size(); ++i) labels[i].y = std::max(labels[i].y, labels[i - 1].y + line);
  double limit = height - bottom;
  for (size_t i = labels.size(); i-- > 0; limit -= line) labels[i].y = std::min(labels[i].y, limit);
  std::string svg;
  for (const EndLabel& label : labels) {
    svg += fmt::format("<text class=\"l\" fill=\"var(--c{})\" x=\"{}\" y=\"{:.1f}\">{}</text>", label.colour, x,
                       label.y + 4, escape(label.text));
  }
  return svg;
}

std::string line_of(const Series& series, const Axis& x, const Axis& y) {
  std::string points;
  for (size_t i = 0; i < series.x.size(); ++i) {
    points += fmt::format("{:.1f},{:.1f} ", x.at(series.x[i]), y.at(series.y[i]));
  }
  if (series.x.size() == 1) {
    return fmt::format("<circle fill=\"var(--c{})\" r=\"3\" cx=\"{:.1f}\" cy=\"{:.1f}\"/>", series.style.colour,
                       x.at(series.x[0]), y.at(series.y[0]));
  }
  points.pop_back();
  return fmt::format("<polyline class=\"s\" stroke=\"var(--c{})\"{} points=\"{}\"><title>{}</title></polyline>",
                     series.style.colour, dash_attribute(series.style.dash), points, escape(series.label));
}

}  // namespace

std::string svg_plot(const Plot& plot) {
  const Names names = names_of(plot);
  Axis x{.from = left, .to = width - names.right}, y{.from = height - bottom, .to = top};
  y.log = plot.log_y;
  for (const Series& series : plot.series) {
    for (const double value : series.x) x.cover(value);
    for (const double value : series.y) y.cover(value);
  }
  if (x.low > x.high) return {};
  for (const Plot::Level& level : plot.levels) y.cover(level.value);
  y.log = y.log && y.low > 0;
  y.pad(0.06);
  if (x.low == x.high) x.pad(0);
  std::string svg = open_svg(plot.title, description_of(plot), names.height) + y_axis(y, x.to, plot.y_label) +
                    x_axis(x, plot.x_label);
  std::vector<EndLabel> labels;
  for (const Plot::Level& level : plot.levels) {
    svg += fmt::format("<path class=\"d\" d=\"M{} {:.1f}H{}\"/>", x.from, y.at(level.value), x.to);
    labels.push_back({y.at(level.value), 0, level.label});
  }
  for (const Series& series : plot.series) {
    if (series.x.empty()) continue;
    svg += line_of(series, x, y);
    labels.push_back({y.at(series.y.back()), series.style.colour, series.label});
  }
  return svg + (names.below ? legend(plot, names) : end_labels(labels, x.to + 6)) + "</svg>";
}

std::string figure_of(const Plot& plot) {
  std::string series;
  const std::vector<double>* before = nullptr;
  const auto list = [](const std::vector<double>& values) { return fmt::format("[{:.6g}]", fmt::join(values, ",")); };
  const auto text = [](const std::string& label) { return json_text(Json(label), -1); };
  for (const Series& one : plot.series) {
    const bool same = before != nullptr && *before == one.x;
    series += fmt::format("{}{{\"label\":{},{}\"y\":{}}}", series.empty() ? "" : ",",
                          text(one.label.empty() ? plot.title : one.label),
                          same ? std::string() : "\"x\":" + list(one.x) + ",", list(one.y));
    before = &one.x;
  }
  return plot_figure(
      svg_plot(plot), plot.title,
      fmt::format("{{\"x\":{},\"y\":{},\"series\":[{}]}}", text(plot.x_label), text(plot.title), series));
}

std::string svg_bars(const Bars& bars) {
  if (bars.values.empty()) return {};
  Axis y{.from = height - bottom, .to = top};
  y.low = 0;
  y.high = 1.08 * std::max({*std::max_element(bars.values.begin(), bars.values.end()), bars.level, 1e-12});
  const double right = width - 12 - text_width(bars.level_label),
               step = (right - left) / static_cast<double>(bars.values.size());
  const auto [low, high] = std::minmax_element(bars.values.begin(), bars.values.end());
  std::string svg =
      open_svg(bars.title, fmt::format("{} in {} modes: from {} to {}; {}.", bars.y_label, bars.values.size(),
                                       short_number(*low), short_number(*high), bars.level_label)) +
      y_axis(y, right, bars.y_label);
  for (size_t i = 0; i < bars.values.size(); ++i) {
    const double at = y.at(bars.values[i]);
    svg += fmt::format(
        "<rect fill=\"var(--c{})\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\"><title>mode {}: "
        "{:.4g}</title></rect>",
        bars.style.colour, left + (static_cast<double>(i) + 0.12) * step, at, 0.76 * step, y.from - at, i + 1,
        bars.values[i]);
  }
  svg += fmt::format("<path class=\"a\" d=\"M{} {}H{}\"/><path class=\"d\" d=\"M{} {:.1f}H{}\"/>", left, y.from, right,
                     left, y.at(bars.level), right);
  svg += fmt::format("<text class=\"k m\" x=\"{:.1f}\" y=\"{}\">mode</text>", (left + right) / 2, height - 26);
  return svg + end_labels({{y.at(bars.level), 0, bars.level_label}}, right + 6) + "</svg>";
}

std::string figure_of(const Bars& bars) {
  std::string rows;
  for (size_t i = 0; i < bars.values.size(); ++i)
    rows += fmt::format("{}[{},{:.6g}]", i == 0 ? "" : ",", i + 1, bars.values[i]);
  return plot_figure(
      svg_bars(bars), "mass per mode " + bars.title,
      fmt::format("{{\"columns\":[\"mode\",{}],\"rows\":[{}]}}", json_text(Json(bars.y_label), -1), rows));
}

bool wants_log(const std::vector<Series>& series) {
  double low = std::numeric_limits<double>::infinity(), high = 0;
  for (const Series& one : series) {
    for (const double value : one.y) low = std::min(low, value), high = std::max(high, value);
  }
  return low > 0 && high > 50 * low;
}

Series thinned(const Series& series, size_t count) {
  const size_t n = series.x.size();
  if (n <= count || count < 3) return series;
  Series result{series.label, series.style, {series.x.front()}, {series.y.front()}};
  const size_t inner = n - 2, shares = count - 2;
  for (size_t k = 0; k < shares; ++k) {
    const size_t begin = 1 + k * inner / shares, end = 1 + (k + 1) * inner / shares;
    double x = 0, y = 0;
    for (size_t i = begin; i < end; ++i) x += series.x[i], y += series.y[i];
    result.x.push_back(x / static_cast<double>(end - begin));
    result.y.push_back(y / static_cast<double>(end - begin));
  }
  result.x.push_back(series.x.back());
  result.y.push_back(series.y.back());
  return result;
}

}  // namespace ddls::report
