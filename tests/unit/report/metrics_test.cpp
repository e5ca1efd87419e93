#include "report/metrics.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace ddls::report::metrics_test {
namespace {

std::string text_of(const std::string& path, const Json& metrics) {
  const auto metric = std::find_if(metric_columns().begin(), metric_columns().end(),
                                   [&](const metrics::MetricColumn& m) { return m.path == path; });
  return metric == metric_columns().end() ? "no such metric" : metric_text(*metric, metrics).text;
}

TEST(Metrics, AreWrittenWithTheDecimalsThatMeanSomething) {
  const auto kid = [](double mean, double spread) {
    return Json{{"kid", {{"subsets_mean", mean}, {"subsets_std", spread}}}};
  };
  EXPECT_EQ(text_of("kid.subsets_mean", kid(0.0031415, 0.0002)), "3.142 ± 0.200");
  EXPECT_EQ(text_of("kid.subsets_mean", kid(6.754191, 9.274318)), "6754 ± 9274");
  EXPECT_EQ(text_of("kid.subsets_mean", kid(0.5, 1.25)), "500 ± 1250");
  EXPECT_EQ(text_of("frechet_distance", Json{{"frechet_distance", 9.87654}}), "9.877");
  EXPECT_EQ(text_of("modes_recovered", Json{{"modes_recovered", 25}}), "25");
  EXPECT_EQ(text_of("frechet_distance", Json{{"frechet_distance", 9.87654}, {"frechet_distance_std", 0.25}}),
            "9.877 ± 0.2500");
  EXPECT_EQ(text_of("fid_infinity.value", Json{{"fid_infinity", {{"value", 8.5}}}}), "8.500");
  EXPECT_EQ(text_of("is_infinity.value", Json{{"is_infinity", nullptr}, {"is_infinity_why", "fewer than 20 images"}}),
            "n/a: fewer than 20 images");
  EXPECT_EQ(text_of("intra_fid.mean", Json{{"intra_fid", {{"mean", nullptr}, {"why", "no class"}}}}), "n/a: no class");
  EXPECT_EQ(text_of("kid.subsets_mean", Json{{"kid", {{"subsets_mean", 0.5}, {"subsets_std", nullptr}}}}), "500.000");
  EXPECT_EQ(text_of("kid.unbiased", Json{{"kid", {{"unbiased", -1e-9}}}}), "0.000");
  EXPECT_EQ(text_of("kid.unbiased", Json{{"kid", {{"unbiased", -1e-3}}}}), "-1.000");
  EXPECT_EQ(text_of("kid.unbiased", Json{{"kid", nullptr}, {"kid_why", "too few"}}), "n/a: too few");
}

}  // namespace
}  // namespace ddls::report::metrics_test
