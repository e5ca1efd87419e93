#include "base/stop_signal.hpp"

#include <atomic>
#include <cerrno>
#include <csignal>

#include "base/error.hpp"
#include "base/files.hpp"

namespace ddls::stop_signal {
namespace {

std::atomic<bool> flag{false}, by_term{false};
int deferrals = 0;
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler may only touch lock-free atomics");

void on_signal(int signal) {
  if (signal == SIGTERM) by_term.store(true, std::memory_order_relaxed);
  flag.store(true, std::memory_order_relaxed);
}

void handle(int signal, int flags) {
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = flags;
  sigemptyset(&action.sa_mask);
  if (sigaction(signal, &action, nullptr) != 0)
    fail(Exit::runtime, "cannot handle signal {}: {}", signal, system_text(errno));
}

}  // namespace

void install() {
  handle(SIGUSR1, SA_RESTART);
  handle(SIGTERM, SA_RESTART);
  handle(SIGINT, SA_RESTART | static_cast<int>(SA_RESETHAND));  // the second one meets the default: the end
}

bool requested() noexcept { return flag.load(std::memory_order_relaxed); }
bool requested_by_term() noexcept { return by_term.load(std::memory_order_relaxed); }
void request() noexcept { flag.store(true, std::memory_order_relaxed); }

Deferral::Deferral() noexcept { ++deferrals; }
Deferral::~Deferral() { --deferrals; }
bool cuts_work() noexcept { return requested() && deferrals == 0; }

void reset() noexcept {
  flag.store(false, std::memory_order_relaxed);
  by_term.store(false, std::memory_order_relaxed);
}

}  // namespace ddls::stop_signal
