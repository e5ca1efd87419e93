#include "dist/step_times.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

namespace ddls::dist::step_times_test {
namespace {

TEST(StepTimes, NamesWhoIsSlowerThanTheMedian) {
  const StepTimes times = step_times({0.10, 0.11, 0.09, 0.20}, {"a", "a", "b", "b"});
  EXPECT_EQ(times.median, 0.10);
  EXPECT_FALSE(times.ranks[1].slow);
  EXPECT_TRUE(times.ranks[3].slow);
  const std::vector<std::string> lines = slow_ranks(times);
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0], "rank 3 on b takes 0.2 s for a step, 2.00 times the median");
  const Json record = record_of(times);
  EXPECT_EQ(record["seconds_per_step"].size(), 4U);
  EXPECT_EQ(record["hosts"][3], "b");
  EXPECT_EQ(record["slow"], Json::array({3}));
}

TEST(StepTimes, OfTwoTheFasterIsTheMeasure) {
  EXPECT_TRUE(step_times({0.10, 0.14}, {"a", "a"}).ranks[1].slow);
  EXPECT_FALSE(step_times({0.10, 0.129}, {"a", "a"}).ranks[1].slow);
}

TEST(StepTimes, RanksWithoutStepsAreNotCounted) {
  const StepTimes times = step_times({0.1, 0, 0.1}, {"a", "a", "a"});
  EXPECT_EQ(times.median, 0.1);
  EXPECT_TRUE(record_of(times)["seconds_per_step"][1].is_null());
  EXPECT_TRUE(record_of(step_times({0, 0}, {"a", "a"}))["median"].is_null());
}

TEST(StepClock, AddsUpOwnWork) {
  StepClock clock;
  clock.begin();
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  clock.end(4);
  EXPECT_EQ(clock.steps(), 4);
  EXPECT_GE(clock.seconds(), 0.02);
}

}  // namespace
}  // namespace ddls::dist::step_times_test
