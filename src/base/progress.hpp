#pragma once
// What a person watches: on a terminal one line rewritten in place (bar, steps/s, time left, a short note); elsewhere a
// plain log line every `interval_s` seconds. Only rank 0 shows anything; other ranks construct it with `visible = false`.
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace ddls {

class Progress {
 public:
  Progress(std::string title, int64_t total, int64_t done_before, bool visible, double interval_s = 10);
  ~Progress();  // ends the line
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // `done` of `total`, counted from the start of the job (done_before came from an earlier run). Cheap: looks at the clock.
  void update(int64_t done, std::string_view note = {});
  void finish(std::string_view note = {});

 private:
  void show(int64_t done, std::string_view note, bool last);

  std::string title_;
  int64_t total_, first_, done_ = 0;
  bool visible_, terminal_, finished_ = false;
  double interval_s_;
  std::chrono::steady_clock::time_point start_, shown_;
};

// "1 h 02 min", "3 min 20 s", "4.1 s"
std::string duration_text(double seconds);

}  // namespace ddls
