#pragma once
// Writes a .zip of stored (uncompressed) entries piece by piece. Sizes are known beforehand; the checksum of
// an entry is patched into its header when the entry is complete. Every entry uses the zip64 fields, so that
// small files take the same path as those above 4 GiB. Time stamps are fixed.
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace ddls {

class StoredZip {
 public:
  explicit StoredZip(std::filesystem::path path);  // creates or truncates the file; errors are Error(runtime)
  ~StoredZip();
  StoredZip(const StoredZip&) = delete;
  StoredZip& operator=(const StoredZip&) = delete;

  void begin(const std::string& name, uint64_t bytes);
  void write(std::span<const std::byte> bytes);
  void end();     // all bytes announced by `begin` must have come
  void finish();  // writes the directory, fsyncs and closes

 private:
  struct Entry {
    std::string name;
    uint64_t offset = 0, bytes = 0, written = 0;
    uint32_t crc = 0;
  };
  void put(std::span<const std::byte> bytes);
  void put(const std::string& text);
  [[noreturn]] void system_failure(const char* what) const;

  std::filesystem::path path_;
  int file_ = -1;
  uint64_t position_ = 0;
  std::vector<Entry> entries_;
};

}  // namespace ddls
