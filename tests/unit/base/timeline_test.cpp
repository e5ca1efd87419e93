#include "base/timeline.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "base/chrome_trace.hpp"
#include "unit/base/expect_error.hpp"

namespace ddls::timeline_test {
namespace {

// step [10, 20] of: update [10, 12], evaluation [13, 19] of: layer [14, 15], layer [15, 18.5].
Timeline a_step() {
  static double now;
  Timeline timeline([] { return now; });
  const auto at = [](double time) { now = time; };
  at(10), timeline.open(0);
  timeline.open(1);
  at(12), timeline.close();
  at(13), timeline.open(2);
  at(14), timeline.open(3);
  at(15), timeline.close();
  timeline.open(3);
  at(18.5), timeline.close();
  at(19), timeline.close();
  at(20), timeline.close();
  return timeline;
}

TEST(Timeline, SpansKeepTheOrderOfTheirBeginnings) {
  const Timeline timeline = a_step();
  std::vector<size_t> activities;
  std::vector<double> begins, ends;
  for (const Span& span : timeline.spans()) {
    activities.push_back(span.activity);
    begins.push_back(span.begin_s);
    ends.push_back(span.end_s);
  }
  EXPECT_EQ(activities, (std::vector<size_t>{0, 1, 2, 3, 3}));
  EXPECT_EQ(begins, (std::vector<double>{10, 10, 13, 14, 15}));
  EXPECT_EQ(ends, (std::vector<double>{20, 12, 19, 15, 18.5}));
}

TEST(Timeline, OwnTimeLeavesOutWhatIsInside) {
  std::vector<double> own;
  const Timeline timeline = a_step();
  for (const Span& span : timeline.spans()) own.push_back(span.own_s);
  EXPECT_EQ(own, (std::vector<double>{2, 2, 1.5, 1, 3.5}));
}

TEST(Timeline, NothingOpenCannotBeClosed) {
  Timeline timeline([] { return 0.; });
  EXPECT_THROW(timeline.close(), Error);
}

TEST(ChromeTrace, IsACompleteEventPerSpanBehindTheNames) {
  const Timeline timeline = a_step();
  const auto trace = nlohmann::json::parse(
      chrome_trace(
          timeline.spans(),
          {{"step", "step"}, {"update", "step"}, {"evaluation", "step"}, {"layer", "forward", {{"way", "oneDNN"}}}},
          "steps")
          .dump());
  const auto& events = trace.at("traceEvents");
  ASSERT_EQ(events.size(), 7u);
  EXPECT_EQ(
      events[1],
      (nlohmann::json{{"name", "thread_name"}, {"ph", "M"}, {"pid", 0}, {"tid", 0}, {"args", {{"name", "steps"}}}}));
  EXPECT_EQ(events[2],
            (nlohmann::json{
                {"name", "step"}, {"cat", "step"}, {"ph", "X"}, {"ts", 0.}, {"dur", 1e7}, {"pid", 0}, {"tid", 0}}));
  EXPECT_EQ(events[6], (nlohmann::json{{"name", "layer"},
                                       {"cat", "forward"},
                                       {"ph", "X"},
                                       {"ts", 5e6},
                                       {"dur", 3.5e6},
                                       {"pid", 0},
                                       {"tid", 0},
                                       {"args", {{"way", "oneDNN"}}}}));
}

// Rounding must not let a span stick out of the one around it.
TEST(ChromeTrace, RoundedSpansStillNest) {
  const std::vector<Span> spans{{0, 1.0000000004, 1.0000000096, 0}, {0, 1.0000000009, 1.0000000096, 0}};
  const auto events = chrome_trace(spans, {{"a", "b"}}, "t").at("traceEvents");
  const auto ns = [&](size_t i, const char* key) { return std::llround(events[i].at(key).get<double>() * 1000); };
  EXPECT_LE(ns(2, "ts"), ns(3, "ts"));
  EXPECT_LE(ns(3, "ts") + ns(3, "dur"), ns(2, "ts") + ns(2, "dur"));
}

}  // namespace
}  // namespace ddls::timeline_test
