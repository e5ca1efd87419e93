#include "base/log.hpp"

#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>

#include "base/error.hpp"
#include "base/json_text.hpp"

namespace ddls::log {
namespace {

constexpr std::string_view level_names[] = {"debug", "info", "warning", "error", "off"};

spdlog::level::level_enum spdlog_level(Level level) {
  switch (level) {
    case Level::debug:
      return spdlog::level::debug;
    case Level::info:
      return spdlog::level::info;
    case Level::warning:
      return spdlog::level::warn;
    case Level::error:
      return spdlog::level::err;
    case Level::off:
      return spdlog::level::off;
  }
  return spdlog::level::off;
}

// The sink colours only where stderr is a terminal. One mutex guards it and the status line, so the sink has
// none.
struct Output {
  std::mutex mutex;
  std::string status;
  std::unique_ptr<spdlog::logger> logger;

  Output() { configure(Level::info, 0, 1); }

  void configure(Level level, int rank, int ranks) {
    if (rank != 0 && level == Level::info) level = Level::warning;
    logger = std::make_unique<spdlog::logger>("", std::make_shared<spdlog::sinks::stderr_color_sink_st>());
    logger->set_pattern(ranks > 1 ? fmt::format("%H:%M:%S [rank {}] %^%l%$: %v", rank) : "%H:%M:%S %^%l%$: %v");
    logger->set_level(spdlog_level(level));
    logger->flush_on(spdlog::level::trace);
  }

  void clear_status() {
    if (!status.empty()) std::fputs("\r\033[K", stderr);
  }
  void draw_status() {
    if (status.empty()) return;
    std::fputs(status.c_str(), stderr);
    std::fflush(stderr);
  }
};

// Never destroyed: destructors of other objects may still log while the process ends.
Output& output() {
  static Output& instance = *new Output;
  return instance;
}

}  // namespace

Level level_from_name(std::string_view name) {
  for (size_t i = 0; i < std::size(level_names); ++i)
    if (name == level_names[i]) return static_cast<Level>(i);
  fail(Exit::usage, "unknown log level '{}'; expected one of: {}", name, fmt::join(level_names, ", "));
}

void init(Level level, int rank, int ranks) {
  Output& out = output();
  const std::lock_guard lock(out.mutex);
  out.configure(level, rank, ranks);
}

void write(Level level, std::string_view message) {
  Output& out = output();
  const std::lock_guard lock(out.mutex);
  if (level == Level::off || !out.logger->should_log(spdlog_level(level))) return;
  const std::string text = as_utf8(message);
  out.clear_status();
  out.logger->log(spdlog_level(level), spdlog::string_view_t(text.data(), text.size()));
  out.draw_status();
}

bool to_terminal() {
  // mpirun puts a pipe between a rank and the terminal; launch/run.sh, which sees the terminal, says so.
  const char* launcher_has_one = std::getenv("DDLS_TERMINAL");
  return isatty(STDERR_FILENO) == 1 || (launcher_has_one != nullptr && std::string_view(launcher_has_one) == "1");
}

int terminal_width() {
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

void status_line(std::string_view text) {
  if (!to_terminal()) return;
  Output& out = output();
  const std::lock_guard lock(out.mutex);
  out.clear_status();
  out.status = text;
  out.draw_status();
  std::fflush(stderr);
}

}  // namespace ddls::log
