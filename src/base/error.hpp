#pragma once
// One exception type for everything that ends a command, and the exit codes of the command line (sysexits.h where
// it has one). Functions throw; destructors log and never throw; `main` catches once.
#include <fmt/format.h>

#include <stdexcept>
#include <string>

namespace ddls {

enum class Exit : int {
  success = 0,
  usage = 64,     // the command line
  data = 65,      // bad data or a damaged file
  missing = 66,   // an input that is not there
  internal = 70,  // a bug of ours
  runtime = 71,   // MPI, NCCL, CUDA, disk
  stopped = 75,   // stopped by a signal, state saved: start again to go on
  config = 78,    // bad configuration, or a launcher that does not match
};

// `what()` is the whole message for the user: what is wrong, where (file, key, tensor), what to do.
class Error : public std::runtime_error {
 public:
  Error(Exit code, const std::string& message) : std::runtime_error(message), code_(code) {}
  Exit code() const noexcept { return code_; }

 private:
  Exit code_;
};

template <typename... A>
[[noreturn]] void fail(Exit code, fmt::format_string<A...> format, A&&... arguments) {
  throw Error(code, fmt::format(format, std::forward<A>(arguments)...));
}

// A violated assumption of our own code.
template <typename... A>
void ensure(bool holds, fmt::format_string<A...> format, A&&... arguments) {
  if (!holds) throw Error(Exit::internal, fmt::format(format, std::forward<A>(arguments)...));
}

}  // namespace ddls
