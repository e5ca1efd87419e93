#include "metrics/statistics_file.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/json.hpp"
#include "metrics/frechet.hpp"
#include "scratch_folder.hpp"
#include "tensor/noise.hpp"
#include "tensor/npz.hpp"

namespace ddls::metrics::statistics_file_test {
namespace {

GaussianStatistics some_statistics() {
  Moments moments(7);
  moments.add(tensor::Noise{5}.normal({0, 90}, 7, 0, Stream::prior) * 2 + 3);
  return moments.statistics("set");
}

TEST(StatisticsFile, RoundTrip) {
  const test::ScratchFolder scratch;
  const fs::path file = scratch.path() / "real.npz";
  const GaussianStatistics s = some_statistics();
  write_statistics(file, s, {{"extractor_sha256", "abc"}});
  EXPECT_TRUE(is_statistics_file(file));
  const GaussianStatistics back = read_statistics(file);
  EXPECT_EQ(back.count, 90);
  EXPECT_TRUE(at::equal(back.mean, s.mean));
  EXPECT_TRUE(at::equal(back.covariance, s.covariance));
  const tensor::NamedTensors arrays = tensor::read_npz(file);  // the names that pytorch-fid reads
  EXPECT_EQ(arrays.size(), 2);
  EXPECT_TRUE(arrays.contains("mu") && arrays.contains("sigma"));
}

TEST(StatisticsFile, OfOthersHasNoCount) {
  const test::ScratchFolder scratch;
  const fs::path file = scratch.path() / "other.npz";
  tensor::write_npz(file, {{"mu", at::zeros({3}, at::kDouble)}, {"sigma", at::eye(3, at::kDouble)}});
  EXPECT_EQ(read_statistics(file).count, 0);
  EXPECT_TRUE(read_provenance(file).is_null());
}

TEST(StatisticsFile, OfAnotherExtractorOrCountIsRefused) {
  const test::ScratchFolder scratch;
  const fs::path file = scratch.path() / "real.npz";
  write_statistics(file, some_statistics(), {{"extractor_sha256", "abc"}, {"resize", "by the extractor"}});
  const auto provenance = read_provenance(file);
  EXPECT_NO_THROW(require_provenance(file, provenance, {{"extractor_sha256", "abc"}, {"count", 90}}));
  for (const Json& wrong : {Json{{"extractor_sha256", "abd"}}, Json{{"count", 91}}, Json{{"resize", "bilinear"}}}) {
    try {
      require_provenance(file, provenance, wrong);
      FAIL() << wrong;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Exit::data);
      EXPECT_NE(std::string(error.what()).find(wrong.items().begin().key()), std::string::npos);
    }
  }
}

TEST(StatisticsFile, DamageIsNamed) {
  const test::ScratchFolder scratch;
  const auto refused = [&](const tensor::NamedTensors& arrays) {
    const fs::path file = scratch.path() / "bad.npz";
    tensor::write_npz(file, arrays);
    EXPECT_THROW(read_statistics(file), Error);
  };
  const at::Tensor mu = at::zeros({3}, at::kDouble), sigma = at::eye(3, at::kDouble);
  refused({{"mu", mu}});
  refused({{"mu", mu}, {"sigma", at::eye(2, at::kDouble)}});
  refused({{"mu", mu / 0}, {"sigma", sigma}});
  at::Tensor skew = sigma.clone();
  skew[0][1] = 0.5;
  refused({{"mu", mu}, {"sigma", skew}});
  EXPECT_THROW(factor({10, mu, -sigma}, "set"), Error);  // symmetric, but no covariance
  write_statistics(scratch.path() / "s.npz", some_statistics(), {});
  write_file(scratch.path() / "s.json", R"({"count": "many", "features": 7})");
  EXPECT_THROW(read_statistics(scratch.path() / "s.npz"), Error);
  write_file(scratch.path() / "s.json", R"({"extractor_sha256": "ab)");
  EXPECT_THROW(read_provenance(scratch.path() / "s.npz"), Error);
}

TEST(StatisticsFile, AJsonOfAnotherKindBesideIsNoProvenance) {
  const test::ScratchFolder scratch;
  write_statistics(scratch.path() / "s.npz", some_statistics(), {});
  for (const char* text : {"[1, 2]", "3", "", R"({"fid": NaN})", R"({"labels": null})", R"({"count": "many"})"}) {
    write_file(scratch.path() / "s.json", text);
    EXPECT_TRUE(read_provenance(scratch.path() / "s.npz").is_null()) << text;
    EXPECT_EQ(read_statistics(scratch.path() / "s.npz").count, 0) << text;
  }
}

TEST(StatisticsFile, OtherArraysAreNotLookedAt) {
  const test::ScratchFolder scratch;
  const fs::path file = scratch.path() / "s.npz";
  tensor::write_npz(file, {{"arr_0", at::zeros({2, 4, 4, 3}, at::kByte)},
                           {"mu", at::ones({3})},
                           {"sigma", at::eye(3)},
                           {"sigma_s", at::zeros({2, 2})}});
  EXPECT_TRUE(is_statistics_file(file));
  EXPECT_TRUE(at::equal(read_statistics(file).mean, at::ones({3}, at::kDouble)));
}

}  // namespace
}  // namespace ddls::metrics::statistics_file_test
