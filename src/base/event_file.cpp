#include "base/event_file.hpp"

#include <fmt/format.h>

#include <array>
#include <bit>
#include <chrono>
#include <utility>

#include "base/log.hpp"

namespace ddls {
namespace {

constexpr size_t pending_limit_bytes = 1 << 20;

constexpr std::array<uint32_t, 256> crc_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t c = i;
    for (int bit = 0; bit < 8; ++bit) c = (c >> 1) ^ ((c & 1) ? 0x82F63B78u : 0);  // Castagnoli, reflected
    table[i] = c;
  }
  return table;
}

template <typename T>
std::string little_endian(T value) {
  std::string bytes;
  for (size_t i = 0; i < sizeof(T); ++i) bytes += static_cast<char>(value >> (8 * i) & 0xFF);
  return bytes;
}

// The three kinds of protobuf field that events are made of.
std::string varint(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
  return bytes + static_cast<char>(value);
}
std::string key(int field, int wire_type) { return varint(static_cast<uint64_t>(field << 3 | wire_type)); }
std::string integer(int field, int64_t value) { return key(field, 0) + varint(static_cast<uint64_t>(value)); }
std::string float64(int field, double value) { return key(field, 1) + little_endian(std::bit_cast<uint64_t>(value)); }
std::string float32(int field, double value) {
  return key(field, 5) + little_endian(std::bit_cast<uint32_t>(static_cast<float>(value)));
}
std::string bytes(int field, std::string_view value) {
  return key(field, 2) + varint(value.size()) + std::string(value);
}

// Event: wall_time = 1, step = 2, file_version = 3, summary = 5, session_log = 7.
// Summary: value = 1. Value: tag = 1, simple_value = 2, image = 4. Image: height, width, colorspace, bytes =
// 1 to 4.
std::string event(double wall_time_s, int64_t step, const std::string& content) {
  return float64(1, wall_time_s) + integer(2, step) + content;
}
std::string summary(std::string_view tag, const std::string& content) {
  return bytes(5, bytes(1, bytes(1, tag) + content));
}

// Two openings within a second must not share a file.
fs::path new_name(const fs::path& folder, std::string_view suffix) {
  make_folder(folder);
  for (auto time = static_cast<int64_t>(unix_time_s());; ++time) {
    fs::path path = folder / fmt::format("events.out.tfevents.{:010}.{}", time, suffix);
    if (!fs::exists(path)) return path;
  }
}

uint32_t masked(uint32_t crc) { return std::rotr(crc, 15) + 0xA282EAD8u; }

}  // namespace

double unix_time_s() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

uint32_t crc32c(std::string_view text, uint32_t crc) {
  static constexpr std::array<uint32_t, 256> table = crc_table();
  crc = ~crc;
  for (const char c : text) crc = table[(crc ^ static_cast<unsigned char>(c)) & 0xFF] ^ (crc >> 8);
  return ~crc;
}

EventFile::EventFile(const fs::path& folder, std::string_view suffix)
    : file_(new_name(folder, suffix), AppendFile::Open::must_be_new) {
  add(float64(1, unix_time_s()) + bytes(3, "brain.Event:2"));
  flush();
}

EventFile::~EventFile() {
  try {
    flush();
  } catch (const std::exception& e) {
    log::write(log::Level::error, e.what());
  }
}

void EventFile::scalar(std::string_view tag, double value, int64_t step, double wall_time_s) {
  add(event(wall_time_s, step, summary(tag, float32(2, value))));
}

void EventFile::image(std::string_view tag, std::string_view png, int64_t height, int64_t width, int64_t channels,
                      int64_t step, double wall_time_s) {
  const std::string image = integer(1, height) + integer(2, width) + integer(3, channels) + bytes(4, png);
  add(event(wall_time_s, step, summary(tag, bytes(4, image))));
}

void EventFile::restarted_at(int64_t step, double wall_time_s) {
  add(event(wall_time_s, step, bytes(7, integer(1, 1))));  // SessionLog: status = START
}

void EventFile::flush() {
  const std::string out = std::exchange(pending_, {});  // what could not be written is not tried again
  if (!out.empty()) file_.append(out);
}

void EventFile::add(std::string_view message) {
  const std::string length = little_endian(static_cast<uint64_t>(message.size()));
  pending_ += length + little_endian(masked(crc32c(length)));
  pending_ += message;
  pending_ += little_endian(masked(crc32c(message)));
  if (pending_.size() >= pending_limit_bytes) flush();
}

}  // namespace ddls
