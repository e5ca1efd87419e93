#pragma once
// Small file helpers. Everything here throws Error: `missing` when a file to read is not there or not readable,
// `runtime` with the system's reason (no space left, read-only, ...) when something cannot be written.
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace ddls {

namespace fs = std::filesystem;

std::string read_file(const fs::path& path);

// Complete or absent: writes PATH.partial, fsyncs, renames onto PATH, fsyncs the folder.
void write_file(const fs::path& path, std::string_view bytes);
// The same for content produced piecewise: `write` gets the temporary path. The partial file is removed on failure.
void write_file_by(const fs::path& path, const std::function<void(const fs::path& partial)>& write);
// From now on PATH.NUMBER.partial in this process: for processes of one machine or of several that may write the same
// file at the same time.
void keep_partial_files_apart();

void make_folder(const fs::path& path);  // with parents
void sync_folder(const fs::path& path);  // fsync of the folder itself

// A file that grows at its end, unbuffered: what `append` was given is with the system when it returns.
class AppendFile {
 public:
  enum class Open { append, must_be_new };
  explicit AppendFile(fs::path path, Open how = Open::append);
  ~AppendFile();  // closes; an error of closing is logged
  AppendFile(const AppendFile&) = delete;
  AppendFile& operator=(const AppendFile&) = delete;

  void append(std::string_view bytes);
  void truncate(int64_t bytes);
  void close();  // throws what the system reports only now; the file can no longer be used
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
  int fd_ = -1;
};

// SHA-256 of bytes that come in pieces.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  void add(std::string_view bytes);
  std::string digits();  // 64 hexadecimal digits; once, at the end

 private:
  struct State;
  std::unique_ptr<State> state_;
};
std::string sha256(std::string_view bytes);  // 64 hexadecimal digits
std::string sha256_of_file(const fs::path& path);
uint64_t hash64(std::span<const std::byte> bytes, uint64_t seed = 0);  // XXH3, for integrity checks and digests
inline uint64_t hash64(std::string_view s, uint64_t seed = 0) { return hash64(std::as_bytes(std::span(s)), seed); }
std::string hex64(uint64_t value);  // 16 digits

// The system's text for an errno value, as used in every message: "No space left on device".
std::string system_text(int error_number);

}  // namespace ddls
