#include "data/tar_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string_view>
#include <utility>

#include "base/error.hpp"
#include "base/files.hpp"

namespace ddls {
namespace {

constexpr uint64_t most_in_memory = uint64_t{4} << 30;

struct CloseGzip {
  void operator()(gzFile file) const { gzclose_r(file); }
};

std::string decompressed(const fs::path& path) {
  const std::unique_ptr<gzFile_s, CloseGzip> file(gzopen(path.c_str(), "rb"));
  if (!file) fail(Exit::runtime, "cannot open '{}': {}", path.string(), system_text(errno));
  gzbuffer(file.get(), 1 << 18);
  std::string bytes;
  while (true) {
    constexpr size_t piece = 1 << 22;
    const size_t before = bytes.size();
    bytes.resize(before + piece);
    const int n = gzread(file.get(), bytes.data() + before, piece);
    int code = Z_OK;
    const char* reason = gzerror(file.get(), &code);
    if (n < 0 || code == Z_BUF_ERROR) fail(Exit::data, "'{}' is damaged or truncated: {}", path.string(), reason);
    bytes.resize(before + static_cast<size_t>(n));
    if (n == 0) break;
    if (bytes.size() > most_in_memory)
      fail(Exit::data, "'{}' holds more than {} GiB, too much to decompress into memory; use 'gunzip' on it first",
           path.string(), most_in_memory >> 30);
  }
  bytes.shrink_to_fit();
  return bytes;
}

// Compressed archives that are named as plain ones.
void refuse_other_compression(const fs::path& path, std::string_view begins) {
  using namespace std::string_view_literals;
  constexpr std::pair<std::string_view, const char*> magics[] = {{"\xFD"
                                                                  "7zXZ\0"sv,
                                                                  "xz"},
                                                                 {"\x28\xB5\x2F\xFD"sv, "zstd"},
                                                                 {"\x04\x22\x4D\x18"sv, "lz4"},
                                                                 {"PK\x03\x04"sv, "zip"}};
  const char* found = begins.starts_with("BZh") && begins.substr(4).starts_with("1AY&SY") ? "bzip2" : nullptr;
  for (const auto& [magic, name] : magics)
    if (begins.starts_with(magic)) found = name;
  if (found != nullptr)
    fail(Exit::data, "'{}' is compressed by {}, which is not read (plain and gzip are); unpack it", path.string(),
         found);
}

int open_file(const fs::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    fail(errno == ENOENT ? Exit::missing : Exit::runtime, "cannot open '{}': {}", path.string(), system_text(errno));
  return fd;
}

struct Descriptor {
  int fd;
  bool own;
  ~Descriptor() {
    if (own) ::close(fd);
  }
};

}  // namespace

TarFile::TarFile(fs::path path, bool keep_open) : path_(std::move(path)) {
  const Descriptor file{open_file(path_), !keep_open};
  if (keep_open) fd_ = file.fd;
  struct stat about {};
  if (::fstat(file.fd, &about) != 0) fail(Exit::runtime, "cannot read '{}': {}", path_.string(), system_text(errno));
  if (!S_ISREG(about.st_mode)) fail(Exit::data, "'{}' is no file", path_.string());
  size_ = static_cast<uint64_t>(about.st_size);
  ::posix_fadvise(file.fd, 0, 0, POSIX_FADV_RANDOM);  // images are drawn in random order
  const std::string begins = read(0, 10);
  refuse_other_compression(path_, begins);
  if (!begins.starts_with("\x1F\x8B")) return;
  memory_ = decompressed(path_);
  size_ = memory_.size();
  in_memory_ = true;
}

TarFile::~TarFile() {
  if (fd_ >= 0) ::close(fd_);
}

std::string TarFile::read(uint64_t offset, uint64_t count) const {
  count = offset < size_ ? std::min(count, size_ - offset) : 0;
  if (in_memory_) return memory_.substr(offset, count);
  std::string bytes(count, '\0');
  const Descriptor file{fd_ >= 0 ? fd_ : open_file(path_), fd_ < 0};
  size_t done = 0;
  while (done < count) {
    const ssize_t n = ::pread(file.fd, bytes.data() + done, count - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail(Exit::runtime, "cannot read '{}': {}", path_.string(), system_text(errno));
    if (n == 0) break;  // cut since it was opened
    done += static_cast<size_t>(n);
  }
  bytes.resize(done);
  return bytes;
}

}  // namespace ddls
