#include "base/work_claims.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <thread>
#include <utility>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/json.hpp"

namespace ddls {
namespace {

using Clock = std::chrono::steady_clock;

struct Owner {
  std::string machine;  // with the space of its process numbers: containers of one host have their own
  int64_t process = 0;
  std::string token;  // of this start: process numbers come again

  std::string text() const { return Json{machine, process, token}.dump(); }
};

std::string machine_name() {
  char host[256] = "", space[256] = "";
  gethostname(host, sizeof host - 1);
  const ssize_t length = readlink("/proc/self/ns/pid", space, sizeof space - 1);
  return std::string(host) + " " + std::string(space, length > 0 ? static_cast<size_t>(length) : 0);
}

Owner this_process() {
  std::random_device random;
  return {machine_name(), getpid(), std::to_string((static_cast<uint64_t>(random()) << 32) | random())};
}

std::optional<Owner> owner_from(const std::string& text) {
  const Json parts = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!parts.is_array() || parts.size() != 3 || !parts[0].is_string() || !parts[1].is_number_integer() ||
      !parts[2].is_string())
    return std::nullopt;
  return Owner{parts[0].get<std::string>(), parts[1].get<int64_t>(), parts[2].get<std::string>()};
}

bool is_dead(int64_t process) { return kill(static_cast<pid_t>(process), 0) != 0 && errno == ESRCH; }

// What of a claim changes while its owner lives.
struct Look {
  std::string text;
  int64_t touched = 0;  // nanoseconds, of the file system's clock: compared with itself alone
  bool operator==(const Look&) const = default;
};

std::optional<Look> look_at(const fs::path& file) {
  struct stat found {};
  if (stat(file.c_str(), &found) != 0) return std::nullopt;
  try {
    return Look{read_file(file), static_cast<int64_t>(found.st_mtim.tv_sec) * 1'000'000'000 + found.st_mtim.tv_nsec};
  } catch (const Error&) {
    return std::nullopt;  // let go of in between
  }
}

}  // namespace

struct WorkClaims::State {
  State(fs::path in, ClaimLimits l) : folder(std::move(in)), limits(l) {}

  fs::path folder;
  ClaimLimits limits;
  Owner self = this_process();
  std::mutex mutex;  // held
  std::set<std::string> held = {};
  struct Seen {
    Look look;
    Clock::time_point since;
  };
  std::map<std::string, Seen> seen = {};  // claims of others
  std::string taken_from = {};
  std::condition_variable_any wake = {};
  std::jthread toucher = {};  // last: ends first

  fs::path file_of(const std::string& name) const { return folder / ("claim-" + name); }

  // False where the claim exists.
  bool make(const std::string& name) {
    const int fd = open(file_of(name).c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0) {
      if (errno == EEXIST) return false;
      fail(Exit::runtime, "cannot make {}: {}", file_of(name).string(), system_text(errno));
    }
    const std::string text = self.text();
    const bool written = write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
    const int error = errno;
    close(fd);
    if (!written) fail(Exit::runtime, "cannot write {}: {}", file_of(name).string(), system_text(error));
    return true;
  }

  // Has the owner of what was found been silent for too long? A text that is no owner's is one half written.
  bool is_lost(const std::string& name, const Look& look) {
    const std::optional<Owner> owner = owner_from(look.text);
    const bool here = owner && owner->machine == self.machine;
    if (here && is_dead(owner->process)) return true;
    const auto [place, is_new] = seen.try_emplace(name, Seen{look, Clock::now()});
    if (!is_new && place->second.look != look) place->second = {look, Clock::now()};
    return Clock::now() - place->second.since > (here ? limits.same_machine : limits.other_machine);
  }

  // Of several that take over at once the last one to write has it.
  bool take_over(const std::string& name) {
    const fs::path own = file_of(name).string() + "." + self.token;
    write_file(own, self.text());
    std::error_code ignored;
    fs::rename(own, file_of(name), ignored);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    const std::optional<Look> now = look_at(file_of(name));
    return now && now->text == self.text();
  }

  void touch_all() {
    const std::lock_guard lock(mutex);
    for (const std::string& name : held) utimensat(AT_FDCWD, file_of(name).c_str(), nullptr, 0);
  }
};

WorkClaims::WorkClaims(fs::path folder, ClaimLimits limits)
    : state_(std::make_unique<State>(std::move(folder), limits)) {
  make_folder(state_->folder);
  State* state = state_.get();
  state->toucher = std::jthread([state](const std::stop_token& stop) {
    std::mutex own;
    std::unique_lock lock(own);
    while (!stop.stop_requested()) {
      state->touch_all();
      state->wake.wait_for(lock, stop, state->limits.touched_every, [] { return false; });
    }
  });
}

WorkClaims::~WorkClaims() {
  const std::set<std::string> held = state_->held;
  for (const std::string& name : held) release(name);
}

bool WorkClaims::take(const std::string& name) {
  State& s = *state_;
  s.taken_from.clear();
  if (!s.make(name)) {
    const std::optional<Look> found = look_at(s.file_of(name));
    if (!found) return false;  // let go of just now: the next call has it
    if (!s.is_lost(name, *found) || !s.take_over(name)) return false;
    const std::optional<Owner> before = owner_from(found->text);
    s.taken_from =
        before ? fmt::format("process {} of {}", before->process, before->machine.substr(0, before->machine.find(' ')))
               : "an unknown process";
  }
  s.seen.erase(name);
  const std::lock_guard lock(s.mutex);
  s.held.insert(name);
  return true;
}

void WorkClaims::release(const std::string& name) {
  State& s = *state_;
  {
    const std::lock_guard lock(s.mutex);
    if (s.held.erase(name) == 0) return;
  }
  // Taken over by another while this process was stopped: that one's now.
  const std::optional<Look> found = look_at(s.file_of(name));
  std::error_code ignored;
  if (found && found->text == s.self.text()) fs::remove(s.file_of(name), ignored);
}

const std::string& WorkClaims::taken_from() const { return state_->taken_from; }

}  // namespace ddls
