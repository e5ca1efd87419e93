#pragma once
// Results that are exactly 0 come out of sums of large terms as some 1e-18, of either sign.
#include <cmath>
#include <limits>

namespace ddls::metrics {

// `value`, or 0 where it is no more than what rounding makes of terms as large as `scale`. Keeps NaN.
inline double without_rounding(double value, double scale) {
  return std::abs(value) <= 8 * std::numeric_limits<double>::epsilon() * std::abs(scale) ? 0 : value;
}

}  // namespace ddls::metrics
