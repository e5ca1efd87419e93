#include "tensor/stored_zip.hpp"

#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>

#include <cerrno>
#include <cstring>

#include "base/error.hpp"

namespace ddls {
namespace {

constexpr uint16_t version_zip64 = 45;
constexpr uint16_t utf8_names = 1 << 11;
constexpr uint16_t date_1980_01_01 = (1 << 5) | 1;
constexpr uint32_t see_zip64 = 0xFFFFFFFF;
constexpr uint64_t crc_offset = 14;  // within a local header

// Little-endian fields, one after the other.
class Record {
 public:
  Record& u16(uint64_t v) { return put(v, 2); }
  Record& u32(uint64_t v) { return put(v, 4); }
  Record& u64(uint64_t v) { return put(v, 8); }
  Record& text(const std::string& s) {
    bytes_ += s;
    return *this;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  Record& put(uint64_t v, int count) {
    for (int i = 0; i < count; ++i) bytes_ += static_cast<char>(v >> (8 * i) & 0xFF);
    return *this;
  }
  std::string bytes_;
};

}  // namespace

StoredZip::StoredZip(std::filesystem::path path) : path_(std::move(path)) {
  file_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (file_ < 0) system_failure("cannot create");
}

StoredZip::~StoredZip() {
  if (file_ >= 0) ::close(file_);
}

void StoredZip::system_failure(const char* what) const {
  fail(Exit::runtime, "{} '{}': {}", what, path_.string(), std::strerror(errno));
}

void StoredZip::put(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(file_, bytes.data(), std::min(bytes.size(), size_t{1} << 30));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) system_failure("cannot write");
    bytes = bytes.subspan(static_cast<size_t>(n));
    position_ += static_cast<uint64_t>(n);
  }
}

void StoredZip::put(const std::string& text) { put(std::as_bytes(std::span(text))); }

void StoredZip::begin(const std::string& name, uint64_t bytes) {
  entries_.push_back({name, position_, bytes, 0, static_cast<uint32_t>(crc32_z(0, nullptr, 0))});
  put(Record()
          .u32(0x04034b50)
          .u16(version_zip64)
          .u16(utf8_names)
          .u16(0)
          .u16(0)
          .u16(date_1980_01_01)
          .u32(0 /* crc, patched by end() */)
          .u32(see_zip64)
          .u32(see_zip64)
          .u16(name.size())
          .u16(20)
          .text(name)
          .u16(1)
          .u16(16)
          .u64(bytes)
          .u64(bytes)
          .bytes());
}

void StoredZip::write(std::span<const std::byte> bytes) {
  if (bytes.empty()) return;  // zlib takes a null pointer as "begin a new checksum"
  Entry& entry = entries_.back();
  ensure(entry.written + bytes.size() <= entry.bytes, "zip entry '{}' gets more than its {} bytes", entry.name,
         entry.bytes);
  entry.crc = static_cast<uint32_t>(crc32_z(entry.crc, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
  put(bytes);
  entry.written += bytes.size();
}

void StoredZip::end() {
  const Entry& entry = entries_.back();
  ensure(entry.written == entry.bytes, "zip entry '{}' got {} of {} bytes", entry.name, entry.written, entry.bytes);
  const std::string crc = Record().u32(entry.crc).bytes();
  if (::pwrite(file_, crc.data(), crc.size(), static_cast<off_t>(entry.offset + crc_offset)) != 4) {
    system_failure("cannot write");
  }
}

void StoredZip::finish() {
  const uint64_t directory = position_;
  for (const Entry& e : entries_) {
    put(Record()
            .u32(0x02014b50)
            .u16(version_zip64)
            .u16(version_zip64)
            .u16(utf8_names)
            .u16(0)
            .u16(0)
            .u16(date_1980_01_01)
            .u32(e.crc)
            .u32(see_zip64)
            .u32(see_zip64)
            .u16(e.name.size())
            .u16(28)
            .u16(0)
            .u16(0)
            .u16(0)
            .u32(0)
            .u32(see_zip64)
            .text(e.name)
            .u16(1)
            .u16(24)
            .u64(e.bytes)
            .u64(e.bytes)
            .u64(e.offset)
            .bytes());
  }
  const uint64_t directory_end = position_;
  const uint64_t directory_bytes = directory_end - directory;
  put(Record()  // zip64 end of directory, its locator, and the old end record that points to neither
          .u32(0x06064b50)
          .u64(44)
          .u16(version_zip64)
          .u16(version_zip64)
          .u32(0)
          .u32(0)
          .u64(entries_.size())
          .u64(entries_.size())
          .u64(directory_bytes)
          .u64(directory)
          .u32(0x07064b50)
          .u32(0)
          .u64(directory_end)
          .u32(1)
          .u32(0x06054b50)
          .u16(0)
          .u16(0)
          .u16(0xFFFF)
          .u16(0xFFFF)
          .u32(see_zip64)
          .u32(see_zip64)
          .u16(0)
          .bytes());
  if (::fsync(file_) != 0) system_failure("cannot write");
  const int closed = ::close(file_);
  file_ = -1;
  if (closed != 0) system_failure("cannot write");
}

}  // namespace ddls
