#pragma once
// Axis marks at round numbers, used by the drawn figures and the curves alike.
#include <string>
#include <vector>

namespace ddls::report {

struct Tick {
  double value = 0;
  std::string label;
};

// At multiples of 1, 2 or 5 times a power of ten within [low, high]; about `wanted` of them.
std::vector<Tick> linear_ticks(double low, double high, int wanted);
// At powers of ten, with 2 and 5 between where few powers lie in [low, high]; 0 < low < high.
std::vector<Tick> log_ticks(double low, double high);

// Short: "0.01", "1500", "20k", "3M", "1e-6".
std::string short_number(double value);

}  // namespace ddls::report
