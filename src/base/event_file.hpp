#pragma once
// TensorBoard event files: scalars and PNG images, without TensorFlow or protobuf. A file is a sequence of records,
// each u64 length, u32 masked CRC32C of it, the bytes of one Event message, u32 masked CRC32C of them (little endian).
// Records are collected and go to the file on `flush` (call it where metrics are logged). Errors: Error(runtime).
#include <cstdint>
#include <string>
#include <string_view>

#include "base/files.hpp"

namespace ddls {

double unix_time_s();

// `crc` continues a checksum; crc32c("123456789") is e3069283.
uint32_t crc32c(std::string_view bytes, uint32_t crc = 0);

class EventFile {
 public:
  // FOLDER/events.out.tfevents.TIME.SUFFIX, always a new file; makes the folder. TensorBoard shows all files of a
  // folder as one run.
  EventFile(const fs::path& folder, std::string_view suffix);
  ~EventFile();  // flushes; an error is logged

  void scalar(std::string_view tag, double value, int64_t step, double wall_time_s = unix_time_s());
  void image(std::string_view tag, std::string_view png, int64_t height, int64_t width, int64_t channels, int64_t step,
             double wall_time_s = unix_time_s());
  // A run that was resumed and does steps >= `step` (again): TensorBoard hides what older files say about them.
  void restarted_at(int64_t step, double wall_time_s = unix_time_s());
  void flush();
  const fs::path& path() const { return file_.path(); }

 private:
  void add(std::string_view event);

  AppendFile file_;
  std::string pending_;
};

}  // namespace ddls
