#include "tensor/stored_zip.hpp"

#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>

#include <cerrno>
#include <cstring>

#include "base/error.hpp"

namespace ddls::tensor {
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
  entries_.push_back({name, position_, bytes, static_cast<uint32_t>(crc32_z(0, nullptr, 0))});
  written_ = 0;
  put(zip_local_header(entries_.back()));
}

void StoredZip::write(std::span<const std::byte> bytes) {
  if (bytes.empty()) return;  // zlib takes a null pointer as "begin a new checksum"
  ZipEntry& entry = entries_.back();
  ensure(written_ + bytes.size() <= entry.bytes, "zip entry '{}' gets more than its {} bytes", entry.name, entry.bytes);
  entry.crc = static_cast<uint32_t>(crc32_z(entry.crc, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
  put(bytes);
  written_ += bytes.size();
}

void StoredZip::end() {
  const ZipEntry& entry = entries_.back();
  ensure(written_ == entry.bytes, "zip entry '{}' got {} of {} bytes", entry.name, written_, entry.bytes);
  const std::string crc = zip_crc_field(entry.crc);
  if (::pwrite(file_, crc.data(), crc.size(), static_cast<off_t>(entry.offset + zip_crc_offset)) != 4) {
    system_failure("cannot write");
  }
}

void StoredZip::finish() {
  put(zip_directory(entries_, position_));
  if (::fsync(file_) != 0) system_failure("cannot write");
  const int closed = ::close(file_);
  file_ = -1;
  if (closed != 0) system_failure("cannot write");
}

}  // namespace ddls::tensor
