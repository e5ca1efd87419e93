#include "ddls/curve_file.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/json.hpp"
#include "ddls/sample_store.hpp"
#include "ddls/sampler.hpp"
#include "scratch_folder.hpp"
#include "unit/ddls/gaussian_target.hpp"
#include "unit/ddls/sample_config.hpp"

namespace ddls::sampling::curve_file_test {
namespace {

// Samples of two blocks, assembled; records at 0, 2, 4.
struct CurveFile : ::testing::Test {
  test::ScratchFolder scratch;
  fs::path folder = scratch / "ddls";
  BlockPlan plan{8, 4};
  SampleStore store{folder, {"key"}, plan};

  void SetUp() override {
    config::SampleConfig config = test::sample_config({"ddls.steps=4"});
    config.record_every = 2;
    config.count = plan.count;
    const Target target = gaussian_target(std::vector<double>{2.0, 2.0});
    const tensor::Noise noise{3};
    const Method method = make_method("ddls", config, target, noise);
    const RecordPlan records = plan_records(config, method.steps);
    store.prepare();
    run_blocks(
        method, target, noise, plan.blocks_of(0, 1), records, store, [](int64_t, int64_t) {}, [] { return false; });
    store.assemble(method, records.records, {});
  }
  static Json point(int64_t step, double distance) { return {{"step", step}, {"frechet_distance", distance}}; }
};

TEST_F(CurveFile, AnEvaluationJoinsTheLinesOfItsStepsAndReplacesTheOneBefore) {
  const std::vector<Json> before = read_curves(folder);
  ASSERT_EQ(before.size(), 3U);
  add_metrics(folder, {point(0, 7.0), point(3, 5.0)});
  std::vector<Json> lines = read_curves(folder);
  ASSERT_EQ(lines.size(), 4U);
  EXPECT_EQ(lines[0]["energy"], before[0]["energy"]);
  EXPECT_EQ(lines[0]["metrics"], Json({{"frechet_distance", 7.0}}));
  EXPECT_EQ(lines[2], Json({{"step", 3}, {"metrics", {{"frechet_distance", 5.0}}}}));  // a step without a record
  EXPECT_TRUE(store.finished());

  add_metrics(folder, {point(4, 2.0)});
  lines = read_curves(folder);
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_FALSE(lines[0].contains("metrics"));
  EXPECT_EQ(lines[2]["metrics"]["frechet_distance"], 2.0);
  EXPECT_TRUE(store.finished());
  add_metrics(folder, {});
  EXPECT_EQ(read_curves(folder), before);
  EXPECT_TRUE(store.finished());
}

TEST_F(CurveFile, IsWholeBetweenTheTwoWritesAndNotWhenItIsTamperedWith) {
  const std::string before = read_file(folder / "chains.jsonl");
  add_metrics(folder, {point(0, 7.0)});
  const std::string after = read_file(folder / "chains.jsonl");
  write_file(folder / "chains.jsonl", before);  // killed after the manifest, before the lines
  EXPECT_TRUE(store.finished());
  std::string damaged = after;
  damaged[damaged.find('7')] = '8';
  write_file(folder / "chains.jsonl", damaged);
  EXPECT_FALSE(store.finished());
}

TEST_F(CurveFile, DamagedLinesAreNamed) {
  write_file(folder / "chains.jsonl", "{\"step\": 0}\n{\"step\": \"two\"}\n");
  try {
    read_curves(folder);
    FAIL() << "a step that is no number was taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Exit::data);
    EXPECT_NE(std::string(error.what()).find("chains.jsonl"), std::string::npos);
  }
}

}  // namespace
}  // namespace ddls::sampling::curve_file_test
