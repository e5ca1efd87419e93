#pragma once
// The newest collectives of one rank, kept for the case that the job hangs: what was called, on how much, when it began
// and when it ended. A fingerprint of all calls so far tells whether two ranks have made the same ones. Recording takes
// no memory from the heap. Any thread may call anything here.
#include <array>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace ddls::dist {

// A call. Texts are literals. What is not `same_size` may have another size on every rank.
struct Collective {
  const char* operation = "";
  int64_t bytes = 0;
  const char* type = "";  // of the elements: "float32"; empty where these are bytes
  int64_t elements = 0;
  const char* detail = "";  // "sum"
  int root = -1;            // where the operation has one
  bool same_size = true;
  bool asynchronous = false;  // it returns before it has ended
};

struct LoggedCollective : Collective {
  uint64_t number = 0, fingerprint = 0;
  double begun_s = 0, ended_s = 0;  // since 1970; 0: it has not ended
};

uint64_t next_fingerprint(uint64_t before, const Collective& call);
std::string text_of(const Collective& call);  // "all_reduce (sum) of 4096 float32"

class CollectiveLog {
 public:
  static constexpr size_t kept = 64;

  uint64_t begin(const Collective& call);  // gives its number: 1, 2, ...
  void end(uint64_t number);
  std::vector<LoggedCollective> newest(size_t most = kept) const;  // in the order of their numbers

 private:
  mutable std::mutex mutex_;
  std::array<LoggedCollective, kept> ring_;
  uint64_t count_ = 0, fingerprint_ = 0;
};

// The first call in which two ranks differ, among those that are kept of both.
struct Divergence {
  uint64_t number = 0;
  std::string mine, theirs;
  bool exact = true;  // else they differ before all that is kept, and this is the oldest call that both have
};
std::optional<Divergence> first_difference(const std::vector<LoggedCollective>& mine,
                                           const std::vector<LoggedCollective>& theirs);

// Where write_calls puts its files, for all communicators of this process; the working folder until it is called.
void keep_calls_in(const std::string& folder);
std::string calls_file(int rank);  // "FOLDER/collectives.rank3.json"
std::string calls_files();         // of all ranks, for messages: "FOLDER/collectives.rank*.json"

// The file calls_file(rank). Writing throws Error(runtime).
void remove_calls(int rank);  // those of an earlier start that hung, or of a wait that ended after all
void write_calls(const CollectiveLog& log, int rank, int ranks, const std::string& reason);

}  // namespace ddls::dist
