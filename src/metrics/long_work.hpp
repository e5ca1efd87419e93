#pragma once
// Progress of work that may take minutes: says nothing of what is over within ten seconds.
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "base/progress.hpp"

namespace ddls::metrics {

class LongWork {
 public:
  // Rank 0 alone is `visible`.
  LongWork(std::string title, int64_t total, bool visible)
      : title_(std::move(title)), total_(total), visible_(visible), start_(std::chrono::steady_clock::now()) {}

  void step() {
    ++done_;
    if (!progress_ && visible_ && done_ < total_ && std::chrono::steady_clock::now() - start_ > patience)
      progress_.emplace(title_, total_, done_, visible_);
    else if (progress_)
      progress_->update(done_);
  }

 private:
  static constexpr std::chrono::seconds patience{10};
  std::string title_;
  int64_t total_, done_ = 0;
  bool visible_;
  std::chrono::steady_clock::time_point start_;
  std::optional<Progress> progress_;
};

}  // namespace ddls::metrics
