#pragma once
// A thread that ends the process (exit code 71) when an operation takes longer than its limit, saying which rank hung
// in what and for whom it waited: "rank 3 hung in all_reduce #1841, 25 MiB (longer than 600 s): rank 5 on node7 has
// given no sign of life for 598 s". With a Heartbeat it also ends the process when another rank gave no sign of life
// for so long, whatever this one does. It never calls MPI. Arming costs a few atomic stores. One thread arms it, one
// operation at a time. Its clock counts only while this process runs: a job that was stopped and continued as a whole
// goes on.
#include <cstdint>
#include <memory>
#include <string>

#include "dist/heartbeat.hpp"

namespace ddls::dist {

class Watchdog {
 public:
  // timeout 0: never
  Watchdog(int rank, double timeout_s, std::unique_ptr<Heartbeat> heartbeat = nullptr);
  ~Watchdog();

  // How often a rank that runs under this limit shows itself, and from when on it is called silent.
  static double beat_seconds(double timeout_s);
  static double silent_after_seconds(double timeout_s) { return 3 * beat_seconds(timeout_s); }

  // strict: whoever waits longer than the limit hangs. patient: what the others do meanwhile may take its time, as long
  // as they live; every limit there is a warning that says who is waited for.
  enum class Wait { strict, patient };

  class Guard {
   public:
    Guard(Watchdog& dog, const char* operation, int64_t bytes, Wait wait = Wait::strict);  // `operation` is a literal
    ~Guard();
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

   private:
    Watchdog& dog_;
  };

  uint64_t count() const;  // operations armed so far: the number of the present one
  // For the messages of other threads: who has not come to operation `number`, as far as is known, and what they do
  // instead ("rank 5 on node7 has given no sign of life for 598 s"); empty where all have come, or where there are no
  // signs of life to go by.
  std::string missing(uint64_t number) const;

 private:
  friend class Guard;
  struct State;
  std::unique_ptr<State> state_;
};

std::string bytes_text(int64_t bytes);  // "25 MiB"

}  // namespace ddls::dist
