#include "base/progress.hpp"

#include <fcntl.h>
#include <poll.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <unistd.h>

#include <regex>

#include "base/log.hpp"

namespace ddls::progress_test {
namespace {

TEST(Durations, Texts) {
  EXPECT_EQ(duration_text(0), "0.0 s");
  EXPECT_EQ(duration_text(4.14), "4.1 s");
  EXPECT_EQ(duration_text(9.94), "9.9 s");
  EXPECT_EQ(duration_text(9.96), "10 s");
  EXPECT_EQ(duration_text(59.6), "1 min 00 s");
  EXPECT_EQ(duration_text(200), "3 min 20 s");
  EXPECT_EQ(duration_text(3599.7), "1 h 00 min");
  EXPECT_EQ(duration_text(3725), "1 h 02 min");
  EXPECT_EQ(duration_text(90'000), "1 d 01 h");
}

TEST(ProgressTexts, LineOfALog) {
  EXPECT_EQ(progress_text({"train", "loss 0.69", 250, 1000, 0, 20}),
            "train 250/1000 (25%), 12.5 steps/s, 1 min 00 s left, loss 0.69");
  EXPECT_EQ(progress_text({"train", "", 1000, 1000, 0, 200}), "train 1000/1000 (100%), 5.0 steps/s, took 3 min 20 s");
  EXPECT_EQ(progress_text({"train", "", 0, 1000, 0, 0}), "train 0/1000 (0%)");
  EXPECT_EQ(progress_text({"train", "", 999, 1000, 0, 9990}), "train 999/1000 (99%), 10.0 s/step, 10 s left");
  EXPECT_EQ(progress_text({"train", "", 0, 0, 0, 0}), "train 0/0 (100%), took 0.0 s");
}

TEST(ProgressTexts, SpeedCountsFromWhereThisRunBegan) {
  EXPECT_EQ(progress_text({"train", "", 600, 1000, 500, 10}), "train 600/1000 (60%), 10.0 steps/s, 40 s left");
}

TEST(ProgressTexts, Bar) {
  const ProgressState half{"train", "note", 50, 100, 0, 10};
  EXPECT_EQ(progress_bar(half, 200), "train [############............]  50%  5.0 steps/s  10 s left  note");
  EXPECT_EQ(progress_bar(half, 20), "train [############");
  EXPECT_EQ(progress_bar({"x", "", 0, 100, 0, 0}, 200), "x [........................]   0%");
}

std::string without_times(const std::string& text) {
  return std::regex_replace(text, std::regex("\\d\\d:\\d\\d:\\d\\d "), "TIME ");
}

TEST(Progress, InALogOneLinePerIntervalAndOneAtTheEnd) {
  testing::internal::CaptureStderr();
  {
    Progress often("train", 4, 4, true, 0);
    often.update(4);
    often.finish("done");
    often.finish("not twice");
    Progress seldom("sample", 4, 4, true, 1e9);
    seldom.update(4);
    Progress hidden("hidden", 4, 4, false, 0);
    hidden.update(4);
  }
  const std::string text =
      std::regex_replace(without_times(testing::internal::GetCapturedStderr()), std::regex("took [0-9.]+ s"), "took T");
  EXPECT_EQ(text,
            "TIME info: train 4/4 (100%), took T\n"
            "TIME info: train 4/4 (100%), took T, done\n"
            "TIME info: sample 4/4 (100%), took T\n");
}

// stderr is a pseudo terminal while this lives.
class Terminal {
 public:
  Terminal() {
    int slave = -1;
    if (openpty(&master_, &slave, nullptr, nullptr, nullptr) != 0) throw std::runtime_error("no pseudo terminal");
    stderr_ = dup(STDERR_FILENO);
    dup2(slave, STDERR_FILENO);
    close(slave);
    fcntl(master_, F_SETFL, O_NONBLOCK);
  }
  ~Terminal() {
    if (stderr_ >= 0) dup2(stderr_, STDERR_FILENO);
    close(stderr_);
    close(master_);
  }
  std::string text() const {
    std::string out;
    pollfd waiting{master_, POLLIN, 0};
    while (poll(&waiting, 1, 200) > 0) {  // what was written may arrive in pieces
      char piece[4096];
      const ssize_t got = read(master_, piece, sizeof piece);
      if (got <= 0) break;
      out.append(piece, static_cast<size_t>(got));
    }
    return out;
  }

 private:
  int master_ = -1, stderr_ = -1;
};

TEST(Progress, OnATerminalLogLinesGoAboveTheBar) {
  const Terminal terminal;
  const std::string empty_bar = "train [........................]   0%";
  {
    Progress progress("train", 10, 0, true, 0);
    progress.update(0);
    EXPECT_EQ(terminal.text(), empty_bar);
    log::info("between");
    // The bar is cleared, the line written, the bar drawn again below it.
    const std::string between = terminal.text();
    EXPECT_TRUE(std::regex_match(without_times(between), std::regex("\r\x1b\\[KTIME .*info.*: between\r\n"
                                                                    "train \\[\\.{24}\\]   0%")))
        << between;
    progress.update(0);
    EXPECT_EQ(terminal.text(), "\r\x1b[K" + empty_bar);
    progress.update(10);
    terminal.text();
  }
  const std::string end = without_times(terminal.text());
  EXPECT_TRUE(end.starts_with("\r\x1b[KTIME ")) << end;
  EXPECT_NE(end.find("train 10/10 (100%)"), std::string::npos) << end;
}

TEST(Progress, AnExceptionRemovesTheBarOnly) {
  const Terminal terminal;
  try {
    Progress progress("train", 10, 0, true, 0);
    progress.update(0);
    terminal.text();
    throw std::runtime_error("x");
  } catch (const std::runtime_error&) {
    EXPECT_EQ(terminal.text(), "\r\x1b[K");
  }
}

}  // namespace
}  // namespace ddls::progress_test
