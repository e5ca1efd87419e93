#include "base/stop_signal.hpp"

#include <gtest/gtest.h>

#include <csignal>

namespace ddls::stop_signal_test {
namespace {

class StopSignal : public testing::Test {
 protected:
  void TearDown() override {
    for (const int s : {SIGUSR1, SIGTERM, SIGINT}) std::signal(s, SIG_DFL);
    stop_signal::reset();
  }
};

TEST_F(StopSignal, EachOfThreeSignalsAsks) {
  for (const int s : {SIGUSR1, SIGTERM, SIGINT}) {
    stop_signal::install();
    EXPECT_FALSE(stop_signal::requested());
    std::raise(s);
    EXPECT_TRUE(stop_signal::requested());
    stop_signal::reset();
  }
}

TEST_F(StopSignal, RepeatedSignalsOfASchedulerAreHarmless) {
  stop_signal::install();
  for (int i = 0; i < 3; ++i) std::raise(SIGUSR1), std::raise(SIGTERM);
  EXPECT_TRUE(stop_signal::requested());
}

TEST_F(StopSignal, RequestIsTheSame) {
  stop_signal::request();
  EXPECT_TRUE(stop_signal::requested());
}

TEST_F(StopSignal, ASecondInterruptEndsTheProcess) {
  EXPECT_EXIT(
      {
        stop_signal::install();
        std::raise(SIGINT);
        if (!stop_signal::requested()) std::_Exit(1);
        std::raise(SIGINT);
        std::_Exit(2);
      },
      testing::KilledBySignal(SIGINT), "");
}

}  // namespace
}  // namespace ddls::stop_signal_test
