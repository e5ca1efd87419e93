#pragma once
// One colour per method, the same in every figure, curve and table. The hues are those of Okabe and Ito, which people
// with any of the usual colour deficiencies can tell apart; the dark variants are for curves on a dark page.
#include <cstdint>
#include <string>

namespace ddls {

struct Colour {
  double red = 0, green = 0, blue = 0, alpha = 1;
};

inline constexpr int style_count = 9;  // 0: real data; 1..8: methods
int style_of_method(const std::string& name);
std::string style_hex(int style, bool dark);       // "#0072b2"
Colour style_colour(int style, double alpha = 1);  // the light-page variant

// Distinct colours for the chains of a trajectory figure.
Colour chain_colour(int64_t chain, int64_t chains, double alpha = 1);

// How a method is written in tables and labels: "DDLS", "MALA", "generator".
std::string method_title(const std::string& name);

}  // namespace ddls
