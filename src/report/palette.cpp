#include "report/palette.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

namespace ddls::report {
namespace {

struct Hue {
  const char* light;
  const char* dark;
};
constexpr std::array<Hue, colour_count> hues{{{"#5a6270", "#a9b1bd"},
                                              {"#c77700", "#f0a830"},
                                              {"#0072b2", "#56b4e9"},
                                              {"#008a63", "#2fcf9f"},
                                              {"#a8418b", "#e39ccb"},
                                              {"#c44601", "#ff8650"},
                                              {"#2b8fc9", "#9fd8ff"},
                                              {"#8a7a00", "#f0e442"},
                                              {"#4b3fa7", "#aaa2ff"}}};

// In the order of `all`.
std::vector<Style> styles_of(std::span<const sampling::Sampler> all) {
  std::vector<Style> styles(all.size());
  std::array<int, colour_count> users{};
  const auto take = [&](int colour) { return Style{colour, users[static_cast<size_t>(colour)]++ % dash_count}; };
  const auto asked = [&](const sampling::Sampler& s) { return s.colour > 0 && s.colour < colour_count; };
  std::vector<size_t> others;
  for (size_t i = 0; i < all.size(); ++i) {
    if (asked(all[i]) && users[static_cast<size_t>(all[i].colour)] < dash_count)
      styles[i] = take(all[i].colour);
    else
      others.push_back(i);
  }
  for (const size_t i : others)
    styles[i] = take(static_cast<int>(std::min_element(users.begin() + 1, users.end()) - users.begin()));
  return styles;
}

}  // namespace

Style style_of_method(const std::string& name, std::span<const sampling::Sampler> all) {
  if (name == "real") return {};
  const sampling::Sampler* sampler = sampling::find_sampler(name, all);
  // A method of another version of the program.
  if (sampler == nullptr) return {colour_count - 1, dash_count - 1};
  return styles_of(all)[static_cast<size_t>(sampler - all.data())];
}

Style style_of_number(size_t index, int first) {
  const auto colours = static_cast<size_t>(colour_count - first);
  return {first + static_cast<int>(index % colours), static_cast<int>(index / colours % dash_count)};
}

std::string colour_hex(int colour, bool dark) {
  const Hue& hue = hues.at(static_cast<size_t>(colour));
  return dark ? hue.dark : hue.light;
}

Colour colour_of(int colour, double alpha) {
  const unsigned long rgb = std::stoul(colour_hex(colour, false).substr(1), nullptr, 16);
  return {static_cast<double>(rgb >> 16) / 255, static_cast<double>(rgb >> 8 & 255) / 255,
          static_cast<double>(rgb & 255) / 255, alpha};
}

std::string dash_attribute(int dash) {
  constexpr std::array<const char*, dash_count> patterns{"", "8 4", "2 3.5"};
  const std::string pattern = patterns.at(static_cast<size_t>(dash));
  return pattern.empty() ? pattern : " stroke-dasharray=\"" + pattern + "\"";
}

std::string style_dot(Style style) {
  return fmt::format("<span class=\"dot d{}\" style=\"--c:var(--c{})\"></span>", style.dash, style.colour);
}

Colour chain_colour(int64_t chain, int64_t chains, double alpha) {
  // Hues around the circle; neighbours in hue differ in lightness too.
  const double hue = static_cast<double>(chain) / static_cast<double>(chains) * 6.0;
  const double value = chain % 2 == 0 ? 0.82 : 0.58;
  const auto channel = [&](double offset) {
    const double k = std::fmod(offset + hue, 6.0);
    return value * (1 - 0.85 * std::max(0.0, std::min({k, 4 - k, 1.0})));
  };
  return {channel(5), channel(3), channel(1), alpha};
}

std::string method_title(const std::string& name, std::span<const sampling::Sampler> all) {
  if (name == "real") return "real data";
  const sampling::Sampler* sampler = sampling::find_sampler(name, all);
  return sampler == nullptr ? name : sampler->title;
}

}  // namespace ddls::report
