#pragma once
// Writes a .zip of stored entries (zip_records.hpp) piece by piece. Sizes are known beforehand; the checksum of an
// entry is patched into its header when the entry is complete.
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "tensor/zip_records.hpp"

namespace ddls::tensor {

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
  void put(std::span<const std::byte> bytes);
  void put(const std::string& text);
  [[noreturn]] void system_failure(const char* what) const;

  std::filesystem::path path_;
  int file_ = -1;
  uint64_t position_ = 0;
  uint64_t written_ = 0;  // of the current entry
  std::vector<ZipEntry> entries_;
};

}  // namespace ddls::tensor
