#include "base/progress.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <exception>
#include <vector>

#include "base/log.hpp"

namespace ddls {
namespace {

constexpr double redraw_s = 0.1;  // on a terminal: often enough to look alive, too seldom to cost
constexpr int bar_columns = 24;

double seconds(std::chrono::steady_clock::duration d) { return std::chrono::duration<double>(d).count(); }

double fraction_of(const ProgressState& s) {
  return s.total > 0 ? std::clamp(static_cast<double>(s.done) / static_cast<double>(s.total), 0.0, 1.0) : 1.0;
}

// Rounded down: 100% means done.
int percentage(const ProgressState& s) { return static_cast<int>(std::floor(fraction_of(s) * 100)); }

double steps_per_second(const ProgressState& s) {
  return s.elapsed_s > 0 ? static_cast<double>(s.done - s.first) / s.elapsed_s : 0;
}

// "12.5 steps/s", "1 min 00 s left": only what is known.
std::vector<std::string> facts(const ProgressState& s) {
  std::vector<std::string> out;
  const double rate = steps_per_second(s);
  if (rate > 0) {
    out.push_back(rate >= 1 ? fmt::format("{:.1f} steps/s", rate) : fmt::format("{:.1f} s/step", 1 / rate));
    if (s.done < s.total) out.push_back(duration_text(static_cast<double>(s.total - s.done) / rate) + " left");
  }
  if (s.done >= s.total) out.push_back("took " + duration_text(s.elapsed_s));
  if (!s.note.empty()) out.emplace_back(s.note);
  return out;
}

}  // namespace

std::string duration_text(double s) {
  if (s < 9.95) return fmt::format("{:.1f} s", std::max(s, 0.0));
  const auto whole = static_cast<int64_t>(std::llround(s));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  if (whole < 86'400) return fmt::format("{} h {:02} min", whole / 3600, whole % 3600 / 60);
  return fmt::format("{} d {:02} h", whole / 86'400, whole % 86'400 / 3600);
}

std::string progress_text(const ProgressState& s) {
  std::string text = fmt::format("{} {}/{} ({}%)", s.title, s.done, s.total, percentage(s));
  for (const std::string& fact : facts(s)) text += ", " + fact;
  return text;
}

std::string progress_bar(const ProgressState& s, int columns) {
  const auto full = static_cast<size_t>(fraction_of(s) * bar_columns);
  std::string text = fmt::format("{} [{}{}] {:3}%", s.title, std::string(full, '#'),
                                 std::string(bar_columns - full, '.'), percentage(s));
  for (const std::string& fact : facts(s)) text += "  " + fact;
  // A line as wide as the terminal would wrap, and could not be rewritten.
  if (columns > 0) text.resize(std::min(text.size(), static_cast<size_t>(columns - 1)));
  return text;
}

Progress::Progress(std::string title, int64_t total, int64_t done_before, bool visible, double interval_s)
    : title_(std::move(title)),
      total_(total),
      first_(done_before),
      done_(done_before),
      visible_(visible),
      terminal_(visible && log::to_terminal()),
      interval_s_(interval_s),
      exceptions_(std::uncaught_exceptions()),
      start_(std::chrono::steady_clock::now()),
      shown_(start_) {}

Progress::~Progress() {
  try {
    if (std::uncaught_exceptions() == exceptions_)
      finish();
    else if (terminal_ && !finished_)
      log::status_line({});
  } catch (const std::exception& e) {
    log::write(log::Level::error, e.what());
  }
}

void Progress::update(int64_t done, std::string_view note) {
  done_ = done;
  if (!visible_ || finished_) return;
  if (seconds(std::chrono::steady_clock::now() - shown_) >= (terminal_ ? std::min(redraw_s, interval_s_) : interval_s_))
    show(done, note, false);
}

void Progress::finish(std::string_view note) {
  if (visible_ && !finished_) show(done_, note, true);
  finished_ = true;
}

void Progress::show(int64_t done, std::string_view note, bool last) {
  shown_ = std::chrono::steady_clock::now();
  const ProgressState state{title_, note, done, total_, first_, seconds(shown_ - start_)};
  if (terminal_) log::status_line(last ? std::string() : progress_bar(state, log::terminal_width()));
  if (last || !terminal_) log::write(log::Level::info, progress_text(state));
}

}  // namespace ddls
