#pragma once
// One style per method, the same in every figure, curve and table: a colour, and lines that are solid, dashed or
// dotted, so that 24 methods have styles of their own. The hues are those of Okabe and Ito, which people with any of
// the usual colour deficiencies can tell apart; the dark variants are for curves on a dark page.
#include <cstdint>
#include <span>
#include <string>

#include "ddls/registry.hpp"

namespace ddls::report {

struct Colour {
  double red = 0, green = 0, blue = 0, alpha = 1;
};

inline constexpr int colour_count = 9;  // 0: real data; 1..8: methods
inline constexpr int dash_count = 3;    // solid, dashed, dotted

struct Style {
  int colour = 0, dash = 0;
};

// Samplers that ask for a colour have it, in the order of the registry; the dash tells those of one colour apart.
Style style_of_method(const std::string& name, std::span<const sampling::Sampler> all = sampling::samplers());
// Of things that are numbered, from `first` on: different for as many as there are.
Style style_of_number(size_t index, int first = 1);

std::string colour_hex(int colour, bool dark);   // "#0072b2"
Colour colour_of(int colour, double alpha = 1);  // the light-page variant
std::string dash_attribute(int dash);            // of an SVG line; empty: solid
std::string style_dot(Style style);              // an HTML element: the style beside a name

// Distinct colours for the chains of a trajectory figure.
Colour chain_colour(int64_t chain, int64_t chains, double alpha = 1);

// How a method is written in tables and labels: "DDLS", "MALA", "generator".
std::string method_title(const std::string& name, std::span<const sampling::Sampler> all = sampling::samplers());

}  // namespace ddls::report
