#pragma once
// A thread that ends the process (exit code 71) when an operation takes longer than its limit, saying which rank hung
// in what and for whom it waited: "rank 3 hung in all_reduce #1841, 25 MiB (longer than 600 s): rank 5 on node7 has
// given no sign of life for 598 s". With a Heartbeat it also ends the process when another rank gave no sign of life
// for so long, whatever this one does, and when another makes other collectives than this one. It never calls MPI.
// Arming costs some 0.3 us (a mutex, the clock, a fingerprint). One thread arms it, one operation at a time. Its clock
// counts only while this process runs: a job that was stopped and continued as a whole goes on.
// It keeps the newest collectives (collective_log.hpp): whoever ends the job tells the others, and all write theirs to
// a file; so does a rank that is told to end (SIGTERM) while it waits in one.
#include <cstdint>
#include <memory>
#include <string>

#include "base/stopwatch.hpp"
#include "dist/collective_log.hpp"
#include "dist/heartbeat.hpp"

namespace ddls::dist {

class Watchdog {
 public:
  // timeout 0: never. `ranks`: of which the calls are written when the job ends; 1: nothing is written.
  Watchdog(int rank, double timeout_s, std::unique_ptr<Heartbeat> heartbeat = nullptr, int ranks = 1);
  ~Watchdog();

  // How often a rank that runs under this limit shows itself, and from when on it is called silent.
  static double beat_seconds(double timeout_s);
  static double silent_after_seconds(double timeout_s) { return 3 * beat_seconds(timeout_s); }

  // strict: whoever waits longer than the limit hangs. patient: what the others do meanwhile may take its time, as long
  // as they live; every limit there is a warning that says who is waited for.
  enum class Wait { strict, patient };

  class Guard {
   public:
    Guard(Watchdog& dog, const Collective& call, Wait wait = Wait::strict);
    Guard(Watchdog& dog, const char* operation, int64_t bytes, Wait wait = Wait::strict)  // `operation` is a literal
        : Guard(dog, Collective{operation, bytes}, wait) {}
    ~Guard();
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

   private:
    Watchdog& dog_;
    uint64_t number_;
    bool asynchronous_;
    Stopwatch watch_;
  };

  uint64_t count() const;  // operations armed so far: the number of the present one
  // For the messages of other threads: who has not come to operation `number`, as far as is known, and what they do
  // instead ("rank 5 on node7 has given no sign of life for 598 s"); empty where all have come, or where there are no
  // signs of life to go by.
  std::string missing(uint64_t number) const;
  void ended(uint64_t number);  // an asynchronous operation has; any thread may call it
  // What the watchdog does before it ends the process: says why, and has all ranks write their calls, which takes up to
  // a second. For another thread that is about to end it.
  void tell_end(const std::string& message);
  // An operation failed, and whoever called it is about to say so: all ranks write their calls. Gives what is to be
  // added to the message, or nothing.
  std::string write_all_calls(const std::string& why);

 private:
  friend class Guard;
  struct State;
  std::unique_ptr<State> state_;
};

std::string bytes_text(int64_t bytes);  // "25 MiB"

}  // namespace ddls::dist
