#include "report/palette.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

namespace ddls {
namespace {

struct Style {
  const char* light;
  const char* dark;
};
constexpr std::array<Style, style_count> styles{{{"#5a6270", "#a9b1bd"},
                                                 {"#c77700", "#f0a830"},
                                                 {"#0072b2", "#56b4e9"},
                                                 {"#008a63", "#2fcf9f"},
                                                 {"#a8418b", "#e39ccb"},
                                                 {"#c44601", "#ff8650"},
                                                 {"#2b8fc9", "#9fd8ff"},
                                                 {"#8a7a00", "#f0e442"},
                                                 {"#4b3fa7", "#aaa2ff"}}};

const std::map<std::string, int> known{{"real", 0},      {"generator", 1},   {"ddls", 2},          {"mala", 3},
                                       {"hmc", 4},       {"underdamped", 5}, {"drs", 6},           {"mh_gan", 7},
                                       {"dot", 8},       {"dgflow", 4},      {"rep_gan", 5},       {"ex2mcmc", 6},
                                       {"tempering", 7}, {"truncation", 8},  {"pixel_langevin", 5}};

const std::map<std::string, std::string> titles{{"real", "real data"},
                                                {"ddls", "DDLS"},
                                                {"mala", "MALA"},
                                                {"hmc", "HMC"},
                                                {"drs", "DRS"},
                                                {"mh_gan", "MH-GAN"},
                                                {"dot", "DOT"},
                                                {"dgflow", "DGflow"},
                                                {"rep_gan", "Rep-GAN"},
                                                {"ex2mcmc", "Ex²MCMC"},
                                                {"pixel_langevin", "pixel Langevin"}};

}  // namespace

int style_of_method(const std::string& name) {
  const auto found = known.find(name);
  return found == known.end() ? style_count - 1 : found->second;
}

std::string style_hex(int style, bool dark) {
  const Style& s = styles.at(static_cast<size_t>(style));
  return dark ? s.dark : s.light;
}

Colour style_colour(int style, double alpha) {
  const unsigned long rgb = std::stoul(style_hex(style, false).substr(1), nullptr, 16);
  return {static_cast<double>(rgb >> 16) / 255, static_cast<double>(rgb >> 8 & 255) / 255,
          static_cast<double>(rgb & 255) / 255, alpha};
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

std::string method_title(const std::string& name) {
  const auto found = titles.find(name);
  return found == titles.end() ? name : found->second;
}

}  // namespace ddls
