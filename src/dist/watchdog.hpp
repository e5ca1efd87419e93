#pragma once
// A thread that ends the process (exit code 71) when an operation takes longer than its limit, saying which rank hung in
// what. It never calls MPI. Arming costs two atomic stores.
#include <cstdint>
#include <memory>
#include <string>

namespace ddls {

class Watchdog {
 public:
  Watchdog(int rank, double timeout_s);   // timeout 0: never
  ~Watchdog();

  class Guard {
   public:
    Guard(Watchdog& dog, const char* operation, int64_t bytes);
    ~Guard();
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

   private:
    Watchdog& dog_;
  };

 private:
  friend class Guard;
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ddls
