#include "dist/collective_log.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <string_view>

#include "base/files.hpp"
#include "base/host.hpp"
#include "base/json.hpp"
#include "base/json_text.hpp"
#include "dist/watchdog.hpp"

namespace ddls::dist {
namespace {

double unix_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

struct Folder {
  std::mutex mutex;
  std::string path;
};

Folder& folder() {
  static Folder one;
  return one;
}

std::string in_folder(const std::string& name) {
  const std::scoped_lock lock(folder().mutex);
  return folder().path.empty() ? name : (fs::path(folder().path) / name).string();
}

constexpr uint64_t mixed(uint64_t hash, uint64_t value) {  // of SplitMix64
  uint64_t z = (hash ^ value) + 0x9E3779B97F4A7C15ULL;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}

uint64_t mixed(uint64_t hash, std::string_view text) {
  for (const char c : text) hash = mixed(hash, static_cast<uint64_t>(static_cast<unsigned char>(c)));
  return mixed(hash, text.size());
}

const LoggedCollective* numbered(const std::vector<LoggedCollective>& calls, uint64_t number) {
  if (calls.empty() || number < calls.front().number || number > calls.back().number) return nullptr;
  return &calls[number - calls.front().number];
}

Json json_of(const LoggedCollective& call) {
  Json json{{"number", call.number}, {"operation", call.operation}, {"bytes", call.bytes}};
  if (*call.type) json["type"] = call.type, json["elements"] = call.elements;
  if (*call.detail) json["detail"] = call.detail;
  if (call.root >= 0) json["root"] = call.root;
  json["begun"] = call.begun_s;
  json["ended"] = call.ended_s > 0 ? Json(call.ended_s) : Json(nullptr);
  json["fingerprint"] = hex64(call.fingerprint);
  return json;
}

}  // namespace

uint64_t next_fingerprint(uint64_t before, const Collective& call) {
  uint64_t hash = mixed(before, std::string_view(call.operation));
  hash = mixed(hash, std::string_view(call.detail));
  hash = mixed(hash, std::string_view(call.type));
  hash = mixed(hash, static_cast<uint64_t>(call.root));
  return call.same_size ? mixed(hash, static_cast<uint64_t>(call.bytes)) : hash;
}

std::string text_of(const Collective& call) {
  std::string text = call.operation;
  if (*call.detail) text += fmt::format(" ({})", call.detail);
  if (call.root >= 0) text += fmt::format(" with root {}", call.root);
  if (*call.type) return text + fmt::format(" of {} {}", call.elements, call.type);
  return call.bytes > 0 ? text + " of " + bytes_text(call.bytes) : text;
}

uint64_t CollectiveLog::begin(const Collective& call) {
  const double now = unix_seconds();
  const std::scoped_lock lock(mutex_);
  fingerprint_ = next_fingerprint(fingerprint_, call);
  LoggedCollective& entry = ring_[count_ % kept];
  static_cast<Collective&>(entry) = call;
  entry.number = ++count_;
  entry.fingerprint = fingerprint_;
  entry.begun_s = now;
  entry.ended_s = 0;
  return count_;
}

void CollectiveLog::end(uint64_t number) {
  const double now = unix_seconds();
  const std::scoped_lock lock(mutex_);
  LoggedCollective& entry = ring_[(number + kept - 1) % kept];
  if (entry.number == number) entry.ended_s = now;
}

std::vector<LoggedCollective> CollectiveLog::newest(size_t most) const {
  const std::scoped_lock lock(mutex_);
  const uint64_t some = std::min<uint64_t>({most, kept, count_});
  std::vector<LoggedCollective> calls;
  calls.reserve(some);
  for (uint64_t i = count_ - some; i < count_; ++i) calls.push_back(ring_[i % kept]);
  return calls;
}

std::optional<Divergence> first_difference(const std::vector<LoggedCollective>& mine,
                                           const std::vector<LoggedCollective>& theirs) {
  bool agreed_before = false;
  for (const LoggedCollective& their : theirs) {
    const LoggedCollective* my = numbered(mine, their.number);
    if (!my) continue;
    if (my->fingerprint != their.fingerprint)
      return Divergence{their.number, text_of(*my), text_of(their), agreed_before || their.number == 1};
    agreed_before = true;
  }
  return std::nullopt;
}

void keep_calls_in(const std::string& path) {
  const std::scoped_lock lock(folder().mutex);
  folder().path = path;
}

std::string calls_file(int rank) { return in_folder(fmt::format("collectives.rank{}.json", rank)); }

std::string calls_files() { return in_folder("collectives.rank*.json"); }

void remove_calls(int rank) {
  {
    const std::scoped_lock lock(folder().mutex);
    if (folder().path.empty()) return;  // who knows whose file this is
  }
  std::error_code none_is_well;
  fs::remove(calls_file(rank), none_is_well);
}

void write_calls(const CollectiveLog& log, int rank, int ranks, const std::string& reason) {
  const std::vector<LoggedCollective> calls = log.newest();
  Json json{{"schema", 1},
            {"rank", rank},
            {"ranks", ranks},
            {"host", host_name()},
            {"pid", getpid()},
            {"why", reason},
            {"written", unix_seconds()},
            {"collectives", Json::array()}};
  for (const LoggedCollective& call : calls) json["collectives"].push_back(json_of(call));
  write_file(calls_file(rank), json_text(json, 1) + "\n");
}

}  // namespace ddls::dist
