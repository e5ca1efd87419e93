#pragma once
// What a person watches: on a terminal one line rewritten in place (bar, steps/s, time left, a short note); elsewhere a
// plain log line every `interval_s` seconds. Only rank 0 shows anything; other ranks construct it with `visible =
// false`.
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace ddls {

class Progress {
 public:
  Progress(std::string title, int64_t total, int64_t done_before, bool visible, double interval_s = 10);
  ~Progress();  // ends the line as `finish` does; while an exception unwinds it only removes the line
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // `done` of `total`, counted from the start of the job (done_before came from an earlier run). Cheap: looks at the
  // clock.
  void update(int64_t done, std::string_view note = {});
  void finish(std::string_view note = {});

 private:
  void show(int64_t done, std::string_view note, bool last);

  std::string title_;
  int64_t total_, first_, done_ = 0;
  bool visible_, terminal_, finished_ = false;
  double interval_s_;
  int exceptions_;  // in flight when this was made
  std::chrono::steady_clock::time_point start_, shown_;
};

// "1 h 02 min", "3 min 20 s", "4.1 s"
std::string duration_text(double seconds);

// The texts that Progress shows, as pure functions. `first`: what was done before this run; the speed counts from
// there.
struct ProgressState {
  std::string_view title, note;
  int64_t done = 0, total = 0, first = 0;
  double elapsed_s = 0;
};
// "train 250/1000 (25%), 12.5 steps/s, 1 min 00 s left, loss 0.69"; at the end "..., took 3 min 20 s".
std::string progress_text(const ProgressState& state);
// "train [#####...............]  25%  12.5 steps/s  1 min 00 s left  loss 0.69", cut to `columns`.
std::string progress_bar(const ProgressState& state, int columns);

}  // namespace ddls
