#pragma once
// What an exception means for the job.
#include <string>

#include "base/error.hpp"

namespace ddls::dist {

// An error that every rank of the job throws together, with the same text: rank 0 tells it, all ranks end in good
// order. Any other exception is one rank's own and must end the whole job at once.
class CollectiveError : public Error {
 public:
  using Error::Error;
};

// For a condition that is the same on every rank by construction.
template <typename... A>
[[noreturn]] void all_fail(Exit code, fmt::format_string<A...> format, A&&... arguments) {
  throw CollectiveError(code, fmt::format(format, std::forward<A>(arguments)...));
}

struct Failure {
  Exit code = Exit::internal;
  std::string message;
};

// The exception being handled (call it in a catch block) as exit code and one message without a stack trace.
Failure current_failure();

}  // namespace ddls::dist
