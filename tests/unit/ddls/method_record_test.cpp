// What report.json says of a method, from a samples folder with known numbers.
#include "ddls/method_record.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/json.hpp"
#include "scratch_folder.hpp"

namespace ddls::sampling::method_record_test {
namespace {

Json manifest() {
  return {{"method", "ex2mcmc"},
          {"count", 100},
          {"steps", 40},
          {"temperature", 1},
          {"seconds", 12.0},
          {"warmup_seconds", 2.0},
          {"evaluations_per_step", {{"gradients", 4}, {"ratios", 9}}},
          {"rates", {"acceptance", "jump_probability"}},
          {"diagnostics", {{"rhat", 1.02}, {"ess_per_chain", 5}, {"diagnosed", {{"chains", 50}, {"steps", 20}}}}}};
}

TEST(MethodRecord, AveragesRatesAndCountsCosts) {
  const test::ScratchFolder scratch;
  write_file(scratch / "manifest.json", manifest().dump());
  write_file(scratch / "chains.jsonl",
             "{\"step\": 0, \"step_size\": 0.5}\n"
             "{\"step\": 10, \"step_size\": 0.5, \"acceptance\": 0.2, \"jump_probability\": 1, \"jump2\": 3}\n"
             "{\"step\": 40, \"step_size\": 0.25, \"acceptance\": 0.6, \"jump_probability\": 0, \"jump2\": 1}\n");
  const Json record = method_record(scratch.path());
  EXPECT_DOUBLE_EQ(record["acceptance"].get<double>(), 0.5);  // (10 * 0.2 + 30 * 0.6) / 40
  EXPECT_DOUBLE_EQ(record["jump_probability"].get<double>(), 0.25);
  EXPECT_DOUBLE_EQ(record["jump2"].get<double>(), 1.5);
  EXPECT_EQ(record["step_size"], 0.25);
  EXPECT_EQ(record["chain_steps_per_second"], 400);  // 40 * 100 in 10 s
  // 5 draws of 100 chains from the last 20 of 40 steps, which took 5 s and 20 * 13 evaluations of a chain.
  EXPECT_DOUBLE_EQ(record["ess_per_second"].get<double>(), 100);
  EXPECT_DOUBLE_EQ(record["ess_per_evaluation"].get<double>(), 5.0 / 260);
  EXPECT_FALSE(record.contains("exact"));  // samples of a program that did not say
}

// Log Z is a state: what it was at the end counts, not its mean over the steps.
TEST(MethodRecord, TakesTheLastValueOfStates) {
  const test::ScratchFolder scratch;
  Json of_smc = manifest();
  of_smc["rates"] = {"acceptance", "log_z"};
  of_smc["last_rates"] = {"log_z"};
  write_file(scratch / "manifest.json", of_smc.dump());
  write_file(scratch / "chains.jsonl",
             "{\"step\": 0}\n{\"step\": 10, \"acceptance\": 0.2, \"log_z\": -1}\n"
             "{\"step\": 40, \"acceptance\": 0.6, \"log_z\": -3}\n");
  const Json record = method_record(scratch.path());
  EXPECT_EQ(record["log_z"], -3);
  EXPECT_DOUBLE_EQ(record["acceptance"].get<double>(), 0.5);
  of_smc["last_rates"] = {1};
  write_file(scratch / "manifest.json", of_smc.dump());
  EXPECT_THROW(method_record(scratch.path()), Error);
}

TEST(MethodRecord, SaysWhetherTheKernelIsExact) {
  const test::ScratchFolder scratch;
  write_file(scratch / "chains.jsonl", "");
  for (const bool exact : {true, false})
    for (const int steps : {0, 40}) {
      Json of_now = manifest();
      of_now["exact"] = exact;
      of_now["steps"] = steps;
      write_file(scratch / "manifest.json", of_now.dump());
      EXPECT_EQ(method_record(scratch.path())["exact"], exact);
    }
}

// A pool may be all that a method does: it has no steps.
TEST(MethodRecord, TellsOfAWarmUpWithoutSteps) {
  const test::ScratchFolder scratch;
  write_file(scratch / "chains.jsonl", "");
  Json of_pool = manifest();
  of_pool["steps"] = 0;
  of_pool["warmup"] = {{"ess_fraction", 0.25}};
  write_file(scratch / "manifest.json", of_pool.dump());
  const Json record = method_record(scratch.path());
  EXPECT_EQ(record["warmup"]["ess_fraction"], 0.25);
  EXPECT_EQ(record["warmup_seconds"], 2.0);
  EXPECT_FALSE(record.contains("steps"));
}

TEST(MethodRecord, LeavesOutCostsOfChainsThatWereNotDiagnosed) {
  const test::ScratchFolder scratch;
  Json short_chains = manifest();
  short_chains["diagnostics"] = {{"rhat", nullptr}, {"ess_per_chain", nullptr}, {"why", "too short"}};
  write_file(scratch / "manifest.json", short_chains.dump());
  write_file(scratch / "chains.jsonl", "");
  const Json record = method_record(scratch.path());
  EXPECT_FALSE(record.contains("ess_per_second"));
  EXPECT_FALSE(record.contains("acceptance"));
  EXPECT_EQ(record["why"], "too short");
  fs::remove(scratch / "manifest.json");
  EXPECT_THROW(method_record(scratch.path()), Error);
}

}  // namespace
}  // namespace ddls::sampling::method_record_test
