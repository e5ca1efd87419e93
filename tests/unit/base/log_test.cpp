#include "base/log.hpp"

#include <gtest/gtest.h>

#include <regex>
#include <thread>

#include "unit/base/expect_error.hpp"

namespace ddls::log_test {
namespace {

// What `action` writes to stderr, which is no terminal then, with the times made equal.
template <typename F>
std::string logged(F action) {
  testing::internal::CaptureStderr();
  action();
  log::init(log::Level::info, 0, 1);
  return std::regex_replace(testing::internal::GetCapturedStderr(), std::regex("(^|\n)\\d\\d:\\d\\d:\\d\\d "),
                            "$1TIME ");
}

TEST(Log, LinesOfOneRank) {
  EXPECT_EQ(logged([] {
              log::init(log::Level::info, 0, 1);
              log::debug("hidden");
              log::info("step {}", 5);
              log::warning("braces {{}} and {}", "{}");
              log::error("bad");
            }),
            "TIME info: step 5\nTIME warning: braces {} and {}\nTIME error: bad\n");
}

TEST(Log, OtherRanksOnlyWarn) {
  EXPECT_EQ(logged([] {
              log::init(log::Level::info, 3, 4);
              log::info("hidden");
              log::warning("seen");
            }),
            "TIME [rank 3] warning: seen\n");
  EXPECT_EQ(logged([] {
              log::init(log::Level::debug, 3, 4);
              log::debug("seen");
              log::info("seen too");
            }),
            "TIME [rank 3] debug: seen\nTIME [rank 3] info: seen too\n");
  EXPECT_EQ(logged([] {
              log::init(log::Level::info, 0, 4);
              log::info("seen");
            }),
            "TIME [rank 0] info: seen\n");
}

TEST(Log, LevelsSilence) {
  EXPECT_EQ(logged([] {
              log::init(log::Level::error, 2, 4);
              log::warning("hidden");
              log::init(log::Level::off, 0, 1);
              log::error("hidden");
            }),
            "");
}

TEST(Log, StatusLineIsForTerminals) {
  EXPECT_EQ(logged([] {
              log::status_line("50%");
              log::info("a line");
              log::status_line("");
            }),
            "TIME info: a line\n");
}

TEST(Log, LinesOfThreadsStayWhole) {
  const std::string text = logged([] {
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([] {
        for (int i = 0; i < 50; ++i) log::info("{}", std::string(200, 'x'));
      });
    for (std::thread& thread : threads) thread.join();
  });
  std::string expected;
  for (int i = 0; i < 200; ++i) expected += "TIME info: " + std::string(200, 'x') + "\n";
  EXPECT_EQ(text, expected);
}

TEST(Log, LevelNames) {
  EXPECT_EQ(log::level_from_name("debug"), log::Level::debug);
  EXPECT_EQ(log::level_from_name("off"), log::Level::off);
  EXPECT_ERROR(log::level_from_name("loud"), Exit::usage,
               "unknown log level 'loud'; expected one of: debug, info, warning, error, off");
}

}  // namespace
}  // namespace ddls::log_test
