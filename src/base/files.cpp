#include "base/files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <unistd.h>
#include <xxhash.h>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <random>
#include <system_error>
#include <utility>

#include "base/error.hpp"
#include "base/log.hpp"

namespace ddls {
namespace {

// Reads pieces of a file until its end; `use` gets each.
void read_pieces(const fs::path& path, const std::function<void(std::string_view)>& use) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail(Exit::missing, "cannot read {}: {}", path.string(), system_text(errno));
  // More costs a small file, of which there are many, more than it saves a large one.
  std::string buffer(1 << 17, '\0');
  for (;;) {
    const ssize_t got = read(fd, buffer.data(), buffer.size());
    if (got > 0) {
      use(std::string_view(buffer).substr(0, static_cast<size_t>(got)));
    } else if (got == 0 || errno != EINTR) {
      const int error = got == 0 ? 0 : errno;
      close(fd);
      if (error == 0) return;
      fail(error == EISDIR ? Exit::missing : Exit::runtime, "cannot read {}: {}", path.string(), system_text(error));
    }
  }
}

void sync_path(const fs::path& path, int flags, bool optional) {
  const int fd = open(path.c_str(), flags | O_CLOEXEC);
  if (fd < 0) fail(Exit::runtime, "cannot open {}: {}", path.string(), system_text(errno));
  const int error = fsync(fd) == 0 ? 0 : errno;
  close(fd);
  if (error != 0 && !(optional && error == EINVAL))
    fail(Exit::runtime, "cannot write {}: {}", path.string(), system_text(error));
}

std::string& partial_ending() {
  static std::string ending = ".partial";
  return ending;
}

}  // namespace

void keep_partial_files_apart() {
  std::random_device random;
  partial_ending() = fmt::format(".{:08x}.partial", random());
}

std::string system_text(int error_number) { return std::system_category().message(error_number); }

std::string read_file(const fs::path& path) {
  std::string bytes;
  read_pieces(path, [&](std::string_view piece) { bytes += piece; });
  return bytes;
}

void write_file(const fs::path& path, std::string_view bytes) {
  write_file_by(path, [&](const fs::path& partial) {
    std::error_code ignored;  // a leftover of a killed run; opening reports what matters
    fs::remove(partial, ignored);
    AppendFile file(partial, AppendFile::Open::must_be_new);
    file.append(bytes);
    file.close();
  });
}

void write_file_by(const fs::path& path, const std::function<void(const fs::path& partial)>& write) {
  const fs::path partial = path.string() + partial_ending();
  try {
    write(partial);
    sync_path(partial, O_RDONLY, false);
    if (std::rename(partial.c_str(), path.c_str()) != 0)
      fail(Exit::runtime, "cannot rename {} to {}: {}", partial.string(), path.string(), system_text(errno));
  } catch (...) {
    std::error_code ignored;  // the first error is the one to report
    fs::remove(partial, ignored);
    throw;
  }
  sync_folder(path.has_parent_path() ? path.parent_path() : fs::path("."));
}

void make_folder(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  // create_directories takes a file in the last place for success
  if (!error && !fs::is_directory(path, error)) error = std::make_error_code(std::errc::not_a_directory);
  if (error) fail(Exit::runtime, "cannot make folder {}: {}", path.string(), error.message());
}

// Some file systems cannot fsync a folder and say EINVAL; there is nothing more to do there.
void sync_folder(const fs::path& path) { sync_path(path, O_RDONLY | O_DIRECTORY, true); }

AppendFile::AppendFile(fs::path path, Open how) : path_(std::move(path)) {
  const int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | (how == Open::must_be_new ? O_EXCL : 0);
  fd_ = open(path_.c_str(), flags, 0666);
  if (fd_ < 0) fail(Exit::runtime, "cannot write {}: {}", path_.string(), system_text(errno));
}

AppendFile::~AppendFile() {
  if (fd_ >= 0 && ::close(fd_) != 0) log::error("cannot close {}: {}", path_.string(), system_text(errno));
}

void AppendFile::append(std::string_view bytes) {
  ensure(fd_ >= 0, "{} is closed", path_.string());
  while (!bytes.empty()) {
    const ssize_t put = ::write(fd_, bytes.data(), bytes.size());
    if (put >= 0)
      bytes.remove_prefix(static_cast<size_t>(put));
    else if (errno != EINTR)
      fail(Exit::runtime, "cannot write {}: {}", path_.string(), system_text(errno));
  }
}

void AppendFile::truncate(int64_t bytes) {
  if (ftruncate(fd_, bytes) != 0) fail(Exit::runtime, "cannot truncate {}: {}", path_.string(), system_text(errno));
}

void AppendFile::close() {
  const int fd = std::exchange(fd_, -1);
  if (::close(fd) != 0) fail(Exit::runtime, "cannot write {}: {}", path_.string(), system_text(errno));
}

struct Sha256::State {
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context{EVP_MD_CTX_new(), EVP_MD_CTX_free};
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  ensure(state_->context && EVP_DigestInit_ex(state_->context.get(), EVP_sha256(), nullptr) == 1, "no SHA-256");
}

Sha256::~Sha256() = default;

void Sha256::add(std::string_view bytes) {
  ensure(EVP_DigestUpdate(state_->context.get(), bytes.data(), bytes.size()) == 1, "SHA-256 failed");
}

std::string Sha256::digits() {
  unsigned char digest[32];
  ensure(EVP_DigestFinal_ex(state_->context.get(), digest, nullptr) == 1, "SHA-256 failed");
  return fmt::format("{:02x}", fmt::join(digest, ""));
}

std::string sha256(std::string_view bytes) {
  Sha256 hash;
  hash.add(bytes);
  return hash.digits();
}

std::string sha256_of_file(const fs::path& path) {
  Sha256 hash;
  read_pieces(path, [&](std::string_view piece) { hash.add(piece); });
  return hash.digits();
}

uint64_t hash64(std::span<const std::byte> bytes, uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

std::string hex64(uint64_t value) { return fmt::format("{:016x}", value); }

}  // namespace ddls
