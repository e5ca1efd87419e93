#include "report/palette.hpp"

#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "unit/ddls/idle_sampler.hpp"

namespace ddls::report::palette_test {
namespace {

std::pair<int, int> look(const std::string& name, std::span<const sampling::Sampler> all = sampling::samplers()) {
  const Style style = style_of_method(name, all);
  return {style.colour, style.dash};
}

TEST(Palette, NoTwoMethodsLookAlike) {
  std::vector<sampling::Sampler> all(sampling::samplers().begin(), sampling::samplers().end());
  while (all.size() < 24) {
    all.push_back(test::idle_sampler());
    all.back().name += std::to_string(all.size());
  }
  std::set<std::pair<int, int>> seen;
  for (const sampling::Sampler& sampler : all) {
    const auto [colour, dash] = look(sampler.name, all);
    EXPECT_TRUE(colour >= 1 && colour < colour_count && dash >= 0 && dash < dash_count) << sampler.name;
    EXPECT_TRUE(seen.insert({colour, dash}).second) << sampler.name;
  }
  EXPECT_EQ(seen.size(), 24U);
  for (size_t i = 0; i < 8 * 3; ++i) seen.erase({style_of_number(i).colour, style_of_number(i).dash});
  EXPECT_TRUE(seen.empty());
}

TEST(Palette, MethodsKeepTheirColours) {
  const std::vector<sampling::Sampler> more = test::with_idle_sampler();
  const std::vector<std::pair<const char*, int>> colours{{"real", 0}, {"generator", 1}, {"ddls", 2},   {"mala", 3},
                                                         {"hmc", 4},  {"drs", 6},       {"mh_gan", 7}, {"dot", 8}};
  for (const auto& [name, colour] : colours) EXPECT_EQ(look(name).first, colour) << name;
  for (const sampling::Sampler& sampler : sampling::samplers())
    EXPECT_EQ(look(sampler.name, more), look(sampler.name)) << sampler.name;
}

TEST(Palette, OneMoreSamplerHasATitleAndAStyle) {
  const std::vector<sampling::Sampler> all = test::with_idle_sampler();
  EXPECT_EQ(method_title("idle", all), "Idle");
  EXPECT_EQ(method_title("idle"), "idle");  // of a run that another version of the program has made
  EXPECT_EQ(method_title("mh_gan", all), "MH-GAN");
  EXPECT_EQ(method_title("real", all), "real data");
  for (const sampling::Sampler& sampler : sampling::samplers())
    EXPECT_NE(look("idle", all), look(sampler.name)) << sampler.name;
}

TEST(Palette, LinesAndDotsShowTheDash) {
  EXPECT_EQ(dash_attribute(0), "");
  EXPECT_NE(dash_attribute(1), dash_attribute(2));
  EXPECT_NE(dash_attribute(2).find("stroke-dasharray"), std::string::npos);
  EXPECT_NE(style_dot({3, 2}).find("d2\" style=\"--c:var(--c3)\""), std::string::npos);
}

}  // namespace
}  // namespace ddls::report::palette_test
