#pragma once
// SIGUSR1, SIGTERM and SIGINT ask for a stop: the handler sets a lock-free flag, loops look at it at step and block
// boundaries, save, and end with exit code 75. A second SIGINT ends the process at once. System calls that a signal
// interrupts are restarted.
namespace ddls::stop_signal {

void install();
bool requested() noexcept;
bool requested_by_term() noexcept;  // by SIGTERM, as launchers end a job
void request() noexcept;            // as if a signal had come (tests)
void reset() noexcept;              // tests

// Work that keeps nothing when it is cut (features of a set) ends at a request, unless one of these lives: then it is
// part of something that saves, and goes on to its end. Of the main thread.
class Deferral {
 public:
  Deferral() noexcept;
  ~Deferral();
  Deferral(const Deferral&) = delete;
  Deferral& operator=(const Deferral&) = delete;
};
bool cuts_work() noexcept;

}  // namespace ddls::stop_signal
