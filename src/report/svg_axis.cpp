#include "report/svg_axis.hpp"

#include <fmt/format.h>

#include <cmath>

namespace ddls::report {

std::string short_number(double value) {
  const double size = std::abs(value);
  if (size >= 1e6 && size < 1e9) return fmt::format("{:.4g}M", value / 1e6);
  if (size >= 1e4 && size < 1e6) return fmt::format("{:.4g}k", value / 1e3);
  return fmt::format("{:.4g}", value);
}

std::vector<Tick> linear_ticks(double low, double high, int wanted) {
  if (!(high > low)) return {{low, short_number(low)}};
  const double raw = (high - low) / wanted, power = std::pow(10.0, std::floor(std::log10(raw)));
  const double lead = raw / power;
  const double step = power * (lead < 1.5 ? 1 : lead < 3.5 ? 2 : lead < 7.5 ? 5 : 10);
  std::vector<Tick> ticks;
  for (double k = std::ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; ++k) {
    const double value = k == 0 ? 0.0 : k * step;  // no "-0"
    ticks.push_back({value, short_number(value)});
  }
  return ticks;
}

std::vector<Tick> log_ticks(double low, double high) {
  const double first = std::floor(std::log10(low)), last = std::ceil(std::log10(high));
  const bool dense = std::log10(high / low) < 2.5;
  const double stride = std::max(1.0, std::ceil((last - first) / 6));
  std::vector<Tick> ticks;
  for (double power = first; power <= last; power += stride) {
    for (const double lead : {1.0, 2.0, 5.0}) {
      const double value = lead * std::pow(10.0, power);
      if ((dense || lead == 1.0) && value >= low * (1 - 1e-9) && value <= high * (1 + 1e-9)) {
        ticks.push_back({value, short_number(value)});
      }
    }
  }
  return ticks;
}

}  // namespace ddls::report
