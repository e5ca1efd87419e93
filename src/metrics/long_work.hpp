#pragma once
// Progress of work that may take minutes. It says how long when the first steps have shown it, then what is left; of
// what is over within ten seconds it says nothing.
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/progress.hpp"
#include "base/stop_signal.hpp"

namespace ddls::metrics {

// How long all of it takes, after `done` of `total` steps: where that is worth saying at once, a minute or more.
inline std::optional<double> long_in_all(int64_t done, int64_t total, double seconds) {
  constexpr double enough_s = 1, minute_s = 60;  // shorter, and the first step's warming up would be most of it
  if (done == 0 || done >= total || seconds < enough_s) return std::nullopt;
  const double all = seconds * static_cast<double>(total) / static_cast<double>(done);
  return all >= minute_s ? std::optional(all) : std::nullopt;
}

// Between two pieces of work that is lost when it is cut, where a throw is joined (Communicator::together).
inline void end_if_stopped(const char* what, const std::string& of) {
  if (stop_signal::cuts_work())
    fail(Exit::stopped, "{} {}: stopped by a signal; the same command begins with them anew", what, of);
}

class LongWork {
 public:
  // Rank 0 alone is `visible`. `title` may be empty: then nothing is shown.
  LongWork(std::string title, int64_t total, bool visible)
      : title_(std::move(title)),
        total_(total),
        visible_(visible && !title_.empty()),
        start_(std::chrono::steady_clock::now()) {}

  void step() {
    ++done_;
    if (progress_) {
      progress_->update(done_);
    } else if (visible_ && done_ < total_) {
      const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
      const auto all = long_in_all(done_, total_, seconds);
      if (all) log::info("{} takes about {}", title_, duration_text(*all));
      if (all || seconds > patience_s) progress_.emplace(title_, total_, done_, visible_);
    }
  }

 private:
  static constexpr double patience_s = 10;
  std::string title_;
  int64_t total_, done_ = 0;
  bool visible_;
  std::chrono::steady_clock::time_point start_;
  std::optional<Progress> progress_;
};

}  // namespace ddls::metrics
