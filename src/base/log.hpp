#pragma once
// Logging of one process. spdlog is an implementation detail of log.cpp. Lines go to stderr as
// "12:34:56 [rank 3] warning: ..." (the rank is left out on a single rank). Thread safe.
#include <fmt/format.h>

#include <string>
#include <string_view>

namespace ddls::log {

enum class Level { debug, info, warning, error, off };

Level level_from_name(std::string_view name);  // throws Error(usage) that lists the names

// Once per process, after MPI is up. On ranks other than 0, `info` and `debug` are dropped unless the level is debug.
void init(Level level, int rank, int ranks);
void write(Level level, std::string_view message);

bool to_terminal();    // stderr is a terminal
int terminal_width();  // columns of that terminal; 80 where it does not say

// The one line at the bottom of the terminal that is rewritten in place (progress). Log lines are written above it and
// leave it whole. An empty text removes it. Does nothing where stderr is not a terminal.
void status_line(std::string_view text);

template <typename... A>
void debug(fmt::format_string<A...> f, A&&... a) {
  write(Level::debug, fmt::format(f, std::forward<A>(a)...));
}
template <typename... A>
void info(fmt::format_string<A...> f, A&&... a) {
  write(Level::info, fmt::format(f, std::forward<A>(a)...));
}
template <typename... A>
void warning(fmt::format_string<A...> f, A&&... a) {
  write(Level::warning, fmt::format(f, std::forward<A>(a)...));
}
template <typename... A>
void error(fmt::format_string<A...> f, A&&... a) {
  write(Level::error, fmt::format(f, std::forward<A>(a)...));
}

}  // namespace ddls::log
