#include "report/svg_plot.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "report/html.hpp"
#include "report/svg_axis.hpp"
#include "unit/report/markup.hpp"

namespace ddls::report::svg_plot_test {
namespace {

std::vector<std::string> labels(const std::vector<Tick>& ticks) {
  std::vector<std::string> result;
  for (const Tick& tick : ticks) result.push_back(tick.label);
  return result;
}

TEST(Axis, TicksAreRoundNumbers) {
  EXPECT_EQ(labels(linear_ticks(-0.3, 1.04, 5)),
            (std::vector<std::string>{"-0.2", "0", "0.2", "0.4", "0.6", "0.8", "1"}));
  EXPECT_EQ(labels(linear_ticks(0, 20'000, 4)), (std::vector<std::string>{"0", "5000", "10k", "15k", "20k"}));
  EXPECT_EQ(labels(log_ticks(0.1, 12)), (std::vector<std::string>{"0.1", "0.2", "0.5", "1", "2", "5", "10"}));
}

TEST(Thinned, KeepsEndsAndMeans) {
  Series series{"a", {1}, {}, {}};
  for (int i = 0; i < 10'000; ++i) series.x.push_back(i), series.y.push_back(2.0 * i);
  const Series thin = thinned(series, 500);
  ASSERT_EQ(thin.x.size(), 500u);
  EXPECT_EQ(thin.x.front(), 0);
  EXPECT_EQ(thin.y.back(), 2.0 * 9999);
  for (size_t i = 0; i < 500; ++i) EXPECT_DOUBLE_EQ(thin.y[i], 2 * thin.x[i]);
  EXPECT_EQ(thinned(thin, 500).x, thin.x);
}

TEST(Plot, IsWellFormedAndStaysInside) {
  Plot plot{"a < b", "step", "y", {{"one", {1}, {0, 1, 2}, {1, 100, 1000}}, {"two", {2, 1}, {0, 1, 2}, {1, 10, 999}}},
            true,    {}};
  EXPECT_TRUE(wants_log(plot.series));
  const std::string svg = svg_plot(plot);
  EXPECT_EQ(test::markup_fault(svg), "");
  EXPECT_NE(svg.find("a &lt; b"), std::string::npos);
  EXPECT_EQ(svg.find("nan"), std::string::npos);
  EXPECT_EQ(svg.find("inf"), std::string::npos);
  EXPECT_NE(svg.find("stroke=\"var(--c1)\" points"), std::string::npos);
  EXPECT_NE(svg.find("stroke=\"var(--c2)\"" + dash_attribute(1) + " points"), std::string::npos);
}

TEST(Plot, EqualAndSingleValuesDraw) {
  EXPECT_EQ(svg_plot({"empty", "", "", {{"none", {1}, {}, {}}}, false, {}}), "");
  for (const bool log : {false, true}) {
    const std::string flat =
        svg_plot({"flat", "", "", {{"one", {1}, {3, 4}, {0.5, 0.5}}, {"two", {2}, {3}, {0.5}}}, log, {}});
    EXPECT_EQ(test::markup_fault(flat), "");
    EXPECT_EQ(flat.find("nan"), std::string::npos);
  }
}

TEST(Html, Base64OfTheStandard) {  // RFC 4648, section 10
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foobar"), "Zm9vYmFy");
}

TEST(Html, MarkupCheckerFindsFaults) {
  EXPECT_EQ(test::markup_fault("<p>a<br/></p>"), "");
  EXPECT_NE(test::markup_fault("<p>a"), "");
  EXPECT_NE(test::markup_fault("<p><b>a</p></b>"), "");
  EXPECT_NE(test::markup_fault("<p class=\"x>a</p>"), "");
}

}  // namespace
}  // namespace ddls::report::svg_plot_test
