// Two results side by side: what differs, and shares that closed forms give.
#include "report/explain.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "base/files.hpp"
#include "metrics/statistics_file.hpp"
#include "scratch_folder.hpp"

namespace ddls::report::explain_test {
namespace {

// In one dimension: (m1 - m2)^2 + (s1 - s2)^2.
struct Normal {
  double mean, sd;
};

double distance(const Normal& a, const Normal& b) {
  return (a.mean - b.mean) * (a.mean - b.mean) + (a.sd - b.sd) * (a.sd - b.sd);
}

const std::string by_network = "by the extractor", bicubic = "bicubic to 8 x 8";

class Explain : public testing::Test {
 protected:
  struct Said {
    std::string samples = "aa", reference = "bb", resize = by_network;
    double distance = 4, kid = 0.5;
    Json more = Json::object();
  };

  fs::path result(const std::string& name, const Said& said) {
    Json json{{"schema", 1},
              {"version", "1"},
              {"ranks", 2},
              {"fake", {{"name", "ddls"}, {"count", 100}}},
              {"reference", {{"name", "test"}, {"count", 200}}},
              {"extractor", {{"name", "net"}, {"sha256", std::string(64, 'e')}, {"features", 1}}},
              {"protocol", {{"quantisation", "q"}, {"resize", said.resize}, {"covariance_divisor", "n - 1"}}},
              {"metrics", {{"frechet_distance", said.distance}, {"kid", {{"unbiased", said.kid}}}}}};
    if (!said.samples.empty()) json["fake"]["digest"] = said.samples;
    if (!said.reference.empty()) json["reference"]["digest"] = said.reference;
    json.merge_patch(said.more);
    write_file(scratch / name, json.dump());
    return scratch / name;
  }

  void keep(const std::string& file, const std::string& digest, const std::string& resize, const Normal& normal) {
    make_folder(scratch / "kept");
    metrics::write_statistics(
        scratch / "kept" / (file + ".npz"),
        {100, at::full({1}, normal.mean, at::kDouble), at::full({1, 1}, normal.sd * normal.sd, at::kDouble)},
        {{"extractor_sha256", std::string(64, 'e')}, {"resize", resize}, {"digest", digest}});
  }

  Json pair_of(const fs::path& a, const fs::path& b) {
    return explain_results(a, b, {scratch / "kept"}).record["pairs"].at(0);
  }

  test::ScratchFolder scratch;
};

TEST_F(Explain, one_part_explains_all) {
  const Explanation found =
      explain_results(result("a.json", {}), result("b.json", {.resize = bicubic, .distance = 5.5, .kid = 0.5}), {});
  const Json& pair = found.record["pairs"].at(0);
  EXPECT_EQ(pair["differs"].size(), 1U);
  EXPECT_EQ(pair["differs"][0], (Json{{"part", "resize"}, {"a", by_network}, {"b", bicubic}}));
  EXPECT_TRUE(pair["unknown"].empty());
  const Json& value = pair["metrics"]["frechet_distance"];
  EXPECT_DOUBLE_EQ(value["difference"].get<double>(), 1.5);
  EXPECT_EQ(value["why"], "all by resize");
  EXPECT_EQ(pair["metrics"]["kid.unbiased"]["why"], "no difference by resize");
  EXPECT_TRUE(test::contains(found.text, "    B: bicubic to 8 x 8")) << found.text;
}

TEST_F(Explain, what_cannot_be_known_is_said) {
  const fs::path a = result("a.json", {.samples = ""});
  Json pair = pair_of(a, result("b.json", {.samples = "", .distance = 5}));
  EXPECT_EQ(pair["unknown"], Json::array({"samples"}));
  EXPECT_EQ(pair["metrics"]["frechet_distance"]["why"], "it cannot be known whether these are the same: samples");
  pair = pair_of(a, result("b.json", {.samples = "", .resize = bicubic, .distance = 5}));
  EXPECT_EQ(pair["metrics"]["frechet_distance"]["why"], "all by resize, if these are the same: samples");
  pair =
      pair_of(result("a.json", {}), result("b.json", {.reference = "cc", .resize = bicubic, .distance = 5, .kid = 1}));
  EXPECT_TRUE(test::contains(pair["metrics"]["frechet_distance"]["why"], "no statistics are kept of samples aa"));
  EXPECT_TRUE(test::contains(pair["metrics"]["kid.unbiased"]["why"], "cannot tell them apart"));
  pair = pair_of(result("a.json", {}), result("b.json", {.distance = 5}));
  EXPECT_TRUE(test::contains(pair["metrics"]["frechet_distance"]["why"], "another program")) << pair;
}

TEST_F(Explain, kept_statistics_give_shares_that_add_up) {
  const Normal samples_a{0, 1}, samples_b{0.5, 2}, reference_a{1, 1}, reference_b{3, 1.5};  // by the resize
  const Normal other_a{2, 2}, other_b{4, 1};                                                // another reference
  keep("s-a", "aa", by_network, samples_a);
  keep("s-b", "aa", bicubic, samples_b);
  keep("r-a", "bb", by_network, reference_a);
  keep("r-b", "bb", bicubic, reference_b);
  keep("o-a", "cc", by_network, other_a);
  keep("o-b", "cc", bicubic, other_b);
  const double from = distance(samples_a, reference_a), to = distance(samples_b, other_b);
  const double resize_alone = distance(samples_b, reference_b), reference_alone = distance(samples_a, other_a);
  const Json pair = pair_of(result("a.json", {.distance = from}),
                            result("b.json", {.reference = "cc", .resize = bicubic, .distance = to}));
  const Json& shares = pair["metrics"]["frechet_distance"]["shares"];
  ASSERT_EQ(shares.size(), 2U) << pair;
  const auto value = [&](const char* part, const char* field) { return shares[part][field].get<double>(); };
  EXPECT_NEAR(value("resize", "value"), ((resize_alone - from) + (to - reference_alone)) / 2, 1e-9);
  EXPECT_NEAR(value("reference", "value"), ((reference_alone - from) + (to - resize_alone)) / 2, 1e-9);
  EXPECT_NEAR(value("resize", "value") + value("reference", "value"), to - from, 1e-9);
  EXPECT_NEAR(value("resize", "low"), std::min(resize_alone - from, to - reference_alone), 1e-9);
  EXPECT_NEAR(value("resize", "high"), std::max(resize_alone - from, to - reference_alone), 1e-9);
  // Statistics that are not those of the result are not used.
  const Json wrong = pair_of(result("a.json", {.distance = from + 1}),
                             result("b.json", {.reference = "cc", .resize = bicubic, .distance = to}));
  EXPECT_FALSE(wrong["metrics"]["frechet_distance"].contains("shares"));
  EXPECT_TRUE(test::contains(wrong["metrics"]["frechet_distance"]["why"], "where the result says"));
}

TEST_F(Explain, counts_by_the_line_of_fid_infinity) {
  const Json line{{"metrics", {{"fid_infinity", {{"value", 3}, {"slope", 200}}}}}};
  Json fewer = line;
  fewer["fake"]["count"] = 50;
  const Json pair =
      pair_of(result("a.json", {.more = line}), result("b.json", {.samples = "dd", .distance = 7, .more = fewer}));
  EXPECT_NEAR(pair["metrics"]["frechet_distance"]["of_counts"].get<double>(), 2, 1e-12);  // 200 (1/50 - 1/100)
}

TEST_F(Explain, reports_and_several_networks_are_paired_by_name_and_checksum) {
  Json metrics{{"frechet_distance", 3.0}};
  Json report{{"reference", {{"name", "test"}, {"count", 200}, {"digest", "bb"}}},
              {"extractor", {{"name", "other"}, {"sha256", std::string(64, 'f')}}},
              {"protocol", {{"quantisation", "q"}, {"resize", by_network}}},
              {"methods",
               {{"generator", {{"count", 100}, {"digest", "zz"}, {"metrics", metrics}}},
                {"ddls", {{"count", 100}, {"digest", "aa"}, {"metrics", metrics}}}}}};
  report["by_extractor"]["net"] = {{"extractor", {{"name", "net"}, {"sha256", std::string(64, 'e')}}},
                                   {"protocol", report["protocol"]},
                                   {"methods", {{"ddls", {{"metrics", {{"frechet_distance", 4.0}}}}}}}};
  write_file(scratch / "report.json", report.dump());
  const Explanation found = explain_results(result("a.json", {}), scratch / "report.json", {});
  ASSERT_EQ(found.record["pairs"].size(), 1U);
  const Json& pair = found.record["pairs"][0];
  EXPECT_EQ(pair["network_b"], "net");
  EXPECT_EQ(pair["b"], "ddls");
  EXPECT_TRUE(pair["differs"].empty()) << pair;
  EXPECT_EQ(pair["metrics"]["frechet_distance"]["why"], "");
}

TEST_F(Explain, what_is_no_result_is_refused) {
  const fs::path good = result("a.json", {});
  const auto thrown = [&](const fs::path& file) { return test::thrown_by([&] { explain_results(good, file, {}); }); };
  EXPECT_EQ(thrown(scratch / "none.json").code, Exit::missing);
  write_file(scratch / "text.json", "no JSON");
  EXPECT_EQ(thrown(scratch / "text.json").code, Exit::data);
  write_file(scratch / "other.json", "{\"schema\": 1}");
  const test::Thrown other = thrown(scratch / "other.json");
  EXPECT_EQ(other.code, Exit::data);
  EXPECT_TRUE(test::contains(other.message, "no result of an evaluation")) << other.message;
}

}  // namespace
}  // namespace ddls::report::explain_test
