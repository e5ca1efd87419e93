#pragma once
// A thread that ends the process (exit code 71) when an operation takes longer than its limit, saying which rank hung in
// what: "rank 3 hung in all_reduce #1841, 25 MiB". It never calls MPI. Arming costs a few atomic stores. One thread arms
// it, one operation at a time.
#include <cstdint>
#include <memory>
#include <string>

namespace ddls {

class Watchdog {
 public:
  Watchdog(int rank, double timeout_s);  // timeout 0: never
  ~Watchdog();

  class Guard {
   public:
    Guard(Watchdog& dog, const char* operation, int64_t bytes);  // `operation` is a string literal
    ~Guard();
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

   private:
    Watchdog& dog_;
  };

  uint64_t count() const;  // operations armed so far: the number of the present one

 private:
  friend class Guard;
  struct State;
  std::unique_ptr<State> state_;
};

std::string bytes_text(int64_t bytes);  // "25 MiB"

}  // namespace ddls
