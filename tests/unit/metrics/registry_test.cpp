// Every metric's entry is whole, and docs/formats.md has its rows: DDLS_UPDATE_DOCS=1 unit_metrics writes them.
#include "metrics/registry.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <set>

#include "base/error.hpp"
#include "base/files.hpp"
#include "config/load.hpp"
#include "unit/metrics/idle_metric.hpp"

namespace ddls::metrics::registry_test {
namespace {

TEST(MetricRegistry, EveryEntryIsWhole) {
  std::set<std::string> names, paths, titles, spreads;
  for (const Metric& metric : known_metrics())
    for (const MetricKey& key : metric.keys) paths.insert(key.path);
  for (const MetricColumn& column : columns_of()) {
    EXPECT_TRUE(titles.insert(column.title + column.unit).second) << column.path;
    EXPECT_TRUE(column.spread_path.empty() || paths.contains(column.spread_path)) << column.path;
    spreads.insert(column.spread_path);
  }
  size_t keys = 0;
  for (const Metric& metric : known_metrics()) {
    EXPECT_TRUE(names.insert(metric.name).second) << metric.name;
    EXPECT_FALSE(metric.summary.empty() || metric.top_keys().empty() || !metric.compute) << metric.name;
    EXPECT_TRUE(metric.defaults.check().empty()) << metric.name;
    for (const std::string& other : metric.brings) EXPECT_NE(find_metric(other), nullptr) << metric.name;
    bool shown = false;
    for (const MetricKey& key : metric.keys) {
      const size_t dot = key.path.rfind('.');
      EXPECT_TRUE(dot == std::string::npos || paths.contains(key.path.substr(0, dot))) << key.path;
      EXPECT_FALSE(key.optional && dot == std::string::npos) << key.path << " is optional anyway";
      shown = shown || key.column || spreads.contains(key.path);
      ++keys;
    }
    EXPECT_TRUE(shown) << metric.name << " is computed, and no reader meets it";
  }
  EXPECT_EQ(paths.size(), keys) << "two metrics have a key of one name";
}

TEST(MetricRegistry, OneMoreMetricIsInTheConfigurationByItself) {
  const std::vector<Metric> all = test::with_idle_metric();
  config::Config config;
  add_metrics(config.evaluate, all);
  EXPECT_NE(config::to_yaml(config).find("idle:  # does nothing"), std::string::npos) << config::to_yaml(config);
  const config::Config read =
      config::load_config("", {"evaluate.metrics=[fid,idle]", "evaluate.idle.value=0.25"}, config);
  EXPECT_EQ(read.evaluate.find("idle")->options.as<test::IdleMetricOptions>().value, 0.25);
  EXPECT_THROW(config::load_config("", {"evaluate.metrics=[modes]"}, config), Error);  // computed unasked
  EXPECT_EQ(columns_of(all).back().title, "idleness");
  EXPECT_EQ(metrics_with_curves(all),
            (std::vector<std::string>{"fid", "is", "mind", "authenticity", "ct", "fld", "idle"}));
  EXPECT_EQ(metrics_while_training(all), (std::vector<std::string>{"fid", "is", "idle"}));  // the others keep features
  const auto values = curve_values({{"idleness", 0.5}, {"frechet_distance", nullptr}}, all);
  ASSERT_EQ(values.size(), 1u);
  EXPECT_EQ(values[0], (std::pair<std::string, double>("idleness", 0.5)));
}

std::string row_of(const std::string& object, const MetricKey& key) {
  const bool always = key.path.find('.') != std::string::npos && !key.optional;
  const std::string cells[] = {always ? "always" : "may", key.unit, key.meaning};
  std::string row = fmt::format("| `{}.{}` ", object, key.path);
  for (const std::string& cell : cells) row += cell.empty() ? "| " : "| " + cell + " ";
  return row + "|";
}

// The page with the rows of `object` that metrics have in place of those that it has; others keep their places before.
std::string with_rows(const std::string& page, const std::string& object, const std::vector<std::string>& rows,
                      const std::set<std::string>& others) {
  std::string text;
  bool written = false;
  size_t begin = 0;
  const std::string start = "| `" + object + ".";
  while (begin < page.size()) {
    const size_t end = page.find('\n', begin) + 1;
    const std::string line = page.substr(begin, end - begin);
    begin = end;
    const std::string key =
        line.starts_with(start) ? line.substr(start.size(), line.find('`', start.size()) - start.size()) : "";
    if (key.empty() || others.contains(key)) {
      text += line;
      continue;
    }
    for (const std::string& row : rows)
      if (!written) text += row + "\n";
    written = true;
  }
  return text;
}

TEST(MetricRegistry, TheDocumentationHasItsRows) {
  const fs::path file = fs::path(DDLS_TEST_DATA).parent_path().parent_path() / "docs/formats.md";
  const std::string page = read_file(file);
  std::vector<std::string> rows, protocol;
  for (const Metric& metric : known_metrics()) {
    for (const MetricKey& key : metric.keys) rows.push_back(row_of("methods.*.metrics", key));
    for (const MetricKey& key : metric.protocol_keys)
      if (const std::string row = row_of("protocol", key); std::ranges::count(protocol, row) == 0)
        protocol.push_back(row);
    for (const MetricKey& key : metric.keys)
      if (key.column && !key.column->curve.empty()) {
        const bool in_training = std::ranges::count(metrics_while_training(), metric.name) > 0;
        for (const std::string phase : {in_training ? "gan_metrics" : "evaluate/*", "evaluate/*"})
          EXPECT_NE(page.find(fmt::format("| `{}.{}` |", phase, key.column->curve)), std::string::npos) << key.path;
      }
  }
  const std::string wanted = with_rows(with_rows(page, "methods.*.metrics", rows, {"*_why"}), "protocol", protocol,
                                       {"quantisation", "resize"});
  if (std::getenv("DDLS_UPDATE_DOCS") != nullptr) write_file(file, wanted);
  if (page != wanted) {
    const auto at = std::ranges::mismatch(page, wanted);
    const auto line = wanted.rfind('\n', static_cast<size_t>(at.in2 - wanted.begin())) + 1;
    ADD_FAILURE() << file << " differs from the metrics' entries (DDLS_UPDATE_DOCS=1 mends it), first in\n"
                  << wanted.substr(line, wanted.find('\n', line) - line);
  }
}

}  // namespace
}  // namespace ddls::metrics::registry_test
