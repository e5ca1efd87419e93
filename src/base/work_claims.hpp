#pragma once
// Pieces of work shared by processes that know each other by a folder alone, none of which is needed: whichever is
// killed, stopped or cut off, the others take over what it was at. A claim saves work and is no lock: two processes may
// now and then hold one piece, so what they make of it has to be the same bytes, written whole (write_file).
#include <chrono>
#include <filesystem>
#include <memory>
#include <string>

namespace ddls {

// How long a claim may stand still before its owner counts as lost. A dead process of this machine is seen at once.
struct ClaimLimits {
  std::chrono::milliseconds touched_every{1000};
  std::chrono::milliseconds same_machine{10'000};    // a stopped process
  std::chrono::milliseconds other_machine{120'000};  // beyond what network file systems keep of a file's times
};

class WorkClaims {
 public:
  // Claims are files claim-NAME of `folder`. Throws Error(runtime) where they cannot be made.
  explicit WorkClaims(std::filesystem::path folder, ClaimLimits limits = {});
  ~WorkClaims();  // lets go of all

  // Whether the piece is this process's now. Where another has it: whether that one is gone, as far as is known since
  // the first call, and the piece is this one's.
  bool take(const std::string& name);
  void release(const std::string& name);
  // Whose the last piece was that `take` took over: "process 71 of node3"; "": nobody's before.
  const std::string& taken_from() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ddls
