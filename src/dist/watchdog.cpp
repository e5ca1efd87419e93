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

namespace ddls::dist {

struct Watchdog::State {
  using Clock = std::chrono::steady_clock;

  int rank = 0;
  double timeout_s = 0;
  std::unique_ptr<Heartbeat> heartbeat;
  std::atomic<const char*> operation{""};
  std::atomic<int64_t> bytes{0};
  std::atomic<bool> patient{false};
  std::atomic<uint64_t> count{0}, armed{0};  // armed: the number of the present operation, or 0
  std::mutex mutex;
  std::condition_variable wake;
  bool stopping = false;
  std::thread thread;

  // The rest is the thread's own.
  double now_s = 0, waited_s = 0, beat_s = -1e9;
  uint64_t waits_in = 0;
  bool asked_who_is_missing = false;

  LifeSign sign() const { return {count.load(), armed.load() != 0, operation.load()}; }

  void watch() {
    const std::chrono::duration<double> period(beat_seconds(timeout_s) / 4);
    Clock::time_point last = Clock::now();
    std::unique_lock lock(mutex);
    while (!wake.wait_for(lock, period, [this] { return stopping; })) {
      const Clock::time_point now = Clock::now();
      // A longer pause means that this process was stopped, or got no processor: then the others may not have had one.
      const double passed = std::min(std::chrono::duration<double>(now - last).count(), 4 * period.count());
      last = now;
      now_s += passed;
      if (heartbeat) look_after_others();
      look_after_own_wait(passed);
    }
  }

  void look_after_others() {
    heartbeat->receive(now_s);
    if (now_s - beat_s >= beat_seconds(timeout_s)) {
      heartbeat->send(sign(), now_s);
      beat_s = now_s;
    }
    if (const auto lost = heartbeat->lost(timeout_s, now_s))
      end(fmt::format("{}: its process is stopped, or its machine or the network is down{}", *lost,
                      rank == 0 ? "" : fmt::format(" (seen by rank {})", rank)));
    constexpr double long_enough_s = 30;
    if (asked_who_is_missing || now_s < long_enough_s) return;
    asked_who_is_missing = true;
    if (const auto missing = heartbeat->never_heard(long_enough_s, now_s); !missing.empty())
      log::warning(
          "no signs of life (UDP) come from rank {}: is there a firewall? Should one of them stop, it is noticed in "
          "collectives only",
          fmt::join(missing, ", "));
  }

  void look_after_own_wait(double passed) {
    const uint64_t now_in = armed.load();
    waited_s = now_in != 0 && now_in == waits_in ? waited_s + passed : 0;
    waits_in = now_in;
    if (waited_s < timeout_s || waited_s == 0) return;
    const Heartbeat::Absent absent =
        heartbeat ? heartbeat->absent({now_in, true, operation.load()}, now_s) : Heartbeat::Absent{};
    const std::string what = fmt::format("{} #{}", operation.load(), now_in);
    if (!patient.load())
      end(fmt::format("rank {} hung in {}{} (longer than {} s){}{}", rank, what,
                      bytes.load() > 0 ? ", " + bytes_text(bytes.load()) : "", timeout_s,
                      absent.text.empty() ? "" : ": ", absent.text));
    if (rank == 0 || (rank == 1 && absent.rank_0))  // one voice is enough
      log::warning("rank {} has waited {} s in {}{}{}", rank, timeout_s, what, absent.text.empty() ? "" : ": ",
                   absent.text);
    waited_s = 0;
  }

  [[noreturn]] static void end(const std::string& message) {
    log::error("{}", message);
    _exit(static_cast<int>(Exit::runtime));  // mpirun ends the other ranks
  }
};

double Watchdog::beat_seconds(double timeout_s) { return std::clamp(timeout_s / 5, 0.04, 1.0); }

Watchdog::Watchdog(int rank, double timeout_s, std::unique_ptr<Heartbeat> heartbeat)
    : state_(std::make_unique<State>()) {
  state_->rank = rank;
  state_->timeout_s = timeout_s;
  state_->heartbeat = std::move(heartbeat);
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

std::string Watchdog::missing(uint64_t number) const {
  const std::scoped_lock lock(state_->mutex);  // the watchdog's thread looks after the signs of life under it
  if (!state_->heartbeat) return {};
  return state_->heartbeat->absent({number, true, ""}, state_->now_s).text;
}

uint64_t Watchdog::count() const { return state_->count.load(std::memory_order_relaxed); }

Watchdog::Guard::Guard(Watchdog& dog, const char* operation, int64_t bytes, Wait wait) : dog_(dog) {
  State& state = *dog.state_;
  state.operation = operation;
  state.bytes = bytes;
  state.patient = wait == Wait::patient;
  state.armed = state.count.fetch_add(1) + 1;
}

Watchdog::Guard::~Guard() { dog_.state_->armed = 0; }

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

}  // namespace ddls::dist
