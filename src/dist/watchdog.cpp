#include "dist/watchdog.hpp"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/error.hpp"
#include "base/log.hpp"

namespace ddls {
namespace {

int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

struct Watchdog::State {
  int rank = 0;
  double timeout_s = 0;
  std::atomic<const char*> operation{""};
  std::atomic<int64_t> bytes{0}, since_ns{0};  // since 0: not armed
  std::atomic<uint64_t> count{0};
  std::mutex mutex;
  std::condition_variable wake;
  bool stopping = false;
  std::thread thread;

  void watch() {
    const auto period = std::chrono::duration<double>(std::clamp(timeout_s / 10, 0.01, 1.0));
    std::unique_lock lock(mutex);
    while (!wake.wait_for(lock, period, [this] { return stopping; })) {
      const int64_t since = since_ns.load();
      if (since == 0 || static_cast<double>(now_ns() - since) < timeout_s * 1e9) continue;
      log::error("rank {} hung in {} #{}, {} (longer than {} s)", rank, operation.load(), count.load(),
                 bytes_text(bytes.load()), timeout_s);
      _exit(static_cast<int>(Exit::runtime));  // mpirun ends the other ranks
    }
  }
};

Watchdog::Watchdog(int rank, double timeout_s) : state_(std::make_unique<State>()) {
  state_->rank = rank;
  state_->timeout_s = timeout_s;
  if (timeout_s > 0) state_->thread = std::thread([state = state_.get()] { state->watch(); });
}

Watchdog::~Watchdog() {
  if (!state_->thread.joinable()) return;
  {
    const std::scoped_lock lock(state_->mutex);
    state_->stopping = true;
  }
  state_->wake.notify_all();
  state_->thread.join();
}

uint64_t Watchdog::count() const { return state_->count.load(std::memory_order_relaxed); }

Watchdog::Guard::Guard(Watchdog& dog, const char* operation, int64_t bytes) : dog_(dog) {
  State& state = *dog.state_;
  state.operation = operation;
  state.bytes = bytes;
  state.count.fetch_add(1);
  state.since_ns = now_ns();
}

Watchdog::Guard::~Guard() { dog_.state_->since_ns = 0; }

std::string bytes_text(int64_t bytes) {
  const char* units[] = {"B", "KiB", "MiB", "GiB"};
  auto value = static_cast<double>(bytes);
  int unit = 0;
  while (value >= 1024 && unit < 3) {
    value /= 1024;
    ++unit;
  }
  return fmt::format("{:.4g} {}", value, units[unit]);
}

}  // namespace ddls
