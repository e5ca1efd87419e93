#pragma once
// Signs of life between the ranks of a job, past MPI, which only one thread at a time may call: every rank sends rank 0
// a small datagram (UDP, IPv4) now and then, and rank 0 answers each. So a rank whose process is stopped, or whose
// machine or network is gone, is noticed whatever the others do at the time, and a rank that waits can say for whom.
#include <mpi.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dist/collective_log.hpp"

namespace ddls::dist {

// What a rank says of itself: its newest collective, whether it is still inside, and those before it.
struct LifeSign {
  uint64_t count = 0;
  bool waiting = false;
  const char* operation = "";
  std::vector<LoggedCollective> calls = {};
};

struct HeartbeatOptions {
  std::vector<std::string> hosts;  // of each rank, for messages; empty where they are not known
  bool one_machine = false;        // then nothing outside it reaches the port
  double silent_after_s = 3;  // from here on a rank is called silent rather than busy: several of its signs are missing
};

class Heartbeat {
 public:
  // **Collective.** Nothing for one rank. Where rank 0 has no socket, it warns; a rank
  // without one is among those that were never heard.
  static std::unique_ptr<Heartbeat> open(MPI_Comm comm, HeartbeatOptions options);
  ~Heartbeat();  // tells the others that this rank leaves in good order
  Heartbeat(const Heartbeat&) = delete;
  Heartbeat& operator=(const Heartbeat&) = delete;

  // The rest is for one thread, the watchdog's. Nothing blocks. `now_s` is the watchdog's own clock.
  void receive(double now_s);
  void send(const LifeSign& mine, double now_s);
  // Rank 0: the ranks that have been silent for longer than `limit_s`; the others: rank 0, if it has. A rank that was
  // never heard does not count. E.g. "rank 1 on node7 gave no sign of life for 600 s".
  std::optional<std::string> lost(double limit_s, double now_s) const;
  // Who has not come to the collective that `mine` names, as far as this rank knows, and what it does instead.
  struct Absent {
    std::string text;     // empty where everybody has come
    bool rank_0 = false;  // is among them
  };
  Absent absent(const LifeSign& mine, double now_s) const;
  // Do the calls that another rank told of differ from `mine`? E.g. "ranks make different collectives, at first call
  // #812: rank 0: all_reduce (sum) of 4096 float32, rank 1: broadcast with root 0 of 4096 float32". Rank 0 compares
  // with all, the others with rank 0.
  std::optional<std::string> different_calls(const std::vector<LoggedCollective>& mine) const;
  // To all: this rank ends the job, so that each may keep what it knows. Repeated by send() from then on.
  void tell_end(const LifeSign& mine, double now_s);
  bool ending() const;         // somebody has told it
  bool somebody_left() const;  // in good order, or by an error that it has told
  // Rank 0, `after_s` from the beginning: the ranks that were never heard, for one warning; else nothing.
  std::vector<int> never_heard(double after_s, double now_s) const;

 private:
  struct State;
  explicit Heartbeat(std::unique_ptr<State> state);
  void introduce(MPI_Comm comm);
  std::unique_ptr<State> state_;
};

}  // namespace ddls::dist
