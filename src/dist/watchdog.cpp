#include "dist/watchdog.hpp"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <future>
#include <mutex>
#include <thread>
#include <utility>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/stop_signal.hpp"
#include "dist/step_times.hpp"

namespace ddls::dist {
namespace {

// In a thread of its own: a file system that hangs may be why the job does.
std::string written(std::shared_ptr<const CollectiveLog> calls, int rank, int ranks, const std::string& why) {
  auto problem = std::make_shared<std::promise<std::string>>();
  auto done = problem->get_future();
  std::thread([=] {
    try {
      write_calls(*calls, rank, ranks, why);
      problem->set_value({});
    } catch (const std::exception& error) {
      problem->set_value(error.what());
    }
  }).detach();
  constexpr std::chrono::seconds long_enough{2};
  if (done.wait_for(long_enough) == std::future_status::timeout)
    return fmt::format("writing {} takes longer than {} s", calls_file(rank), long_enough.count());
  return done.get();
}

}  // namespace

struct Watchdog::State {
  using Clock = std::chrono::steady_clock;

  int rank = 0, ranks = 1;
  double timeout_s = 0;
  std::shared_ptr<CollectiveLog> calls = std::make_shared<CollectiveLog>();
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
  bool asked_who_is_missing = false, has_written = false;
  double differ_since_s = -1, told_to_stop_s = -1;
  uint64_t stopped_in = 0;

  LifeSign sign() const { return {count.load(), armed.load() != 0, operation.load(), calls->newest()}; }

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
      look_after_stop();
      look_after_own_wait(passed);
    }
  }

  void look_after_others() {
    heartbeat->receive(now_s);
    if (now_s - beat_s >= beat_seconds(timeout_s)) {
      heartbeat->send(sign(), now_s);
      beat_s = now_s;
    }
    if (heartbeat->ending() && !has_written) {
      heartbeat->send(sign(), now_s);  // from rank 0 the others hear it
      keep_calls("another rank ended the job");
    }
    look_for_other_calls();
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

  // Rank 0 speaks, since it hears everybody; another only where rank 0 did not.
  void look_for_other_calls() {
    if (heartbeat->ending()) return;
    const auto difference = heartbeat->different_calls(calls->newest());
    if (!difference) return;
    if (differ_since_s < 0) differ_since_s = now_s;
    if (rank == 0 || now_s - differ_since_s > 3 * beat_seconds(timeout_s)) end(*difference);
  }

  // mpirun and Slurm end the ranks of a job in which one died by SIGTERM, and by SIGKILL a second or more later. A rank
  // that stays in its collective meanwhile waits for the dead one.
  void look_after_stop() {
    if (has_written || ranks == 1 || !stop_signal::requested_by_term()) return;
    if (heartbeat && heartbeat->somebody_left()) return;  // by an error of its own, which it has told
    const auto [now_in, what, quiet] = waits_in_now();
    if (told_to_stop_s < 0 || now_in != stopped_in) {
      told_to_stop_s = now_s;
      stopped_in = now_in;
    }
    constexpr double long_enough_s = 0.3;
    if (now_in == 0 || now_s - told_to_stop_s < long_enough_s) return;
    const std::string why = fmt::format("rank {} was told to end (SIGTERM) in {} #{}", rank, what, now_in);
    const std::string where = keep_calls(why);
    if (rank == 0 && !quiet) log::warning("{}{}", why, where);
  }

  // The collective that this rank is inside, or else the first one on the device that has not ended; number 0: none.
  struct Inside {
    uint64_t number;
    const char* operation;
    bool patient;
  };
  Inside waits_in_now() const {
    if (const uint64_t number = armed.load(); number != 0) return {number, operation.load(), patient.load()};
    for (const LoggedCollective& call : calls->newest())
      if (call.asynchronous && call.ended_s == 0) return {call.number, call.operation, false};
    return {0, "", false};
  }

  // Writes this rank's calls, once. Gives what a message may add.
  std::string keep_calls(const std::string& why) {
    if (ranks == 1) return {};
    if (!std::exchange(has_written, true)) {
      const std::string problem = written(calls, rank, ranks, why);
      if (!problem.empty()) {
        log::warning("{}", problem);
        return {};
      }
    }
    return "; the newest collectives of every rank are in " + calls_files();
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

  [[noreturn]] void end(const std::string& message) {
    tell_end(message);
    _exit(static_cast<int>(Exit::runtime));  // mpirun ends the other ranks
  }

  void tell_end(const std::string& message) {
    const std::string where = keep_calls(message);
    log::error("{}{}", message, where);
    if (!heartbeat) return;
    heartbeat->tell_end(sign(), now_s);
    // Two of the others' looks (by way of rank 0), and the time to write.
    std::this_thread::sleep_for(std::chrono::duration<double>(beat_seconds(timeout_s) / 2 + 0.5));
  }
};

double Watchdog::beat_seconds(double timeout_s) { return std::clamp(timeout_s / 5, 0.04, 1.0); }

Watchdog::Watchdog(int rank, double timeout_s, std::unique_ptr<Heartbeat> heartbeat, int ranks)
    : state_(std::make_unique<State>()) {
  state_->rank = rank;
  state_->ranks = ranks;
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
  if (state_->ranks > 1 && std::uncaught_exceptions() == 0) remove_calls(state_->rank);
}

std::string Watchdog::missing(uint64_t number) const {
  const std::scoped_lock lock(state_->mutex);  // the watchdog's thread looks after the signs of life under it
  if (!state_->heartbeat) return {};
  return state_->heartbeat->absent({number, true, ""}, state_->now_s).text;
}

void Watchdog::ended(uint64_t number) { state_->calls->end(number); }

void Watchdog::tell_end(const std::string& message) {
  const std::scoped_lock lock(state_->mutex);
  state_->tell_end(message);
}

std::string Watchdog::write_all_calls(const std::string& why) {
  const std::scoped_lock lock(state_->mutex);
  const std::string where = state_->keep_calls(why);
  if (state_->heartbeat) state_->heartbeat->tell_end(state_->sign(), state_->now_s);
  return where;
}

uint64_t Watchdog::count() const { return state_->count.load(std::memory_order_relaxed); }

namespace {

std::atomic<double> collectives_s{0};  // one thread at a time is in a collective; another may ask

}  // namespace

double seconds_in_collectives() { return collectives_s; }

Watchdog::Guard::Guard(Watchdog& dog, const Collective& call, Wait wait)
    : dog_(dog), number_(dog.state_->calls->begin(call)), asynchronous_(call.asynchronous) {
  State& state = *dog.state_;
  state.operation = call.operation;
  state.bytes = call.bytes;
  state.patient = wait == Wait::patient;
  state.count = number_;
  state.armed = number_;
}

Watchdog::Guard::~Guard() {
  collectives_s = collectives_s + watch_.seconds();
  dog_.state_->armed = 0;
  if (!asynchronous_) dog_.state_->calls->end(number_);
}

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
