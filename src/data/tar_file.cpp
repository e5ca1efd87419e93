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

namespace ddls::data {
namespace {

constexpr uint64_t most_in_memory = uint64_t{4} << 30;

struct EndInflate {
  void operator()(z_stream* stream) const { inflateEnd(stream); }
};

// The member files of a .gz one after the other, as gunzip gives them. zlib's own gzread would end without a word where
// something else follows.
std::string decompressed(const fs::path& path) {
  const std::string packed = read_file(path);
  z_stream stream{};
  ensure(inflateInit2(&stream, 15 + 16) == Z_OK, "zlib cannot start");
  const std::unique_ptr<z_stream, EndInflate> end(&stream);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  std::string bytes;
  for (size_t left = packed.size(); left > 0;) {
    constexpr size_t piece = 1 << 22;
    const size_t before = bytes.size();
    bytes.resize(before + piece);
    stream.next_out = reinterpret_cast<Bytef*>(bytes.data() + before);
    stream.avail_out = piece;
    stream.avail_in = static_cast<uInt>(std::min(left, size_t{1} << 30));
    const uInt given = stream.avail_in;
    const int code = inflate(&stream, Z_NO_FLUSH);
    left -= given - stream.avail_in;
    bytes.resize(before + piece - stream.avail_out);
    if (code != Z_OK && code != Z_STREAM_END)
      fail(Exit::data, "'{}' is damaged or truncated: {}", path.string(),
           stream.msg == nullptr ? "its end is missing" : stream.msg);
    if (bytes.size() > most_in_memory)
      fail(Exit::data, "'{}' holds more than {} GiB, too much to decompress into memory; use 'gunzip' on it first",
           path.string(), most_in_memory >> 30);
    if (code == Z_OK) {
      if (left == 0 && stream.avail_out > 0)
        fail(Exit::data, "'{}' is damaged or truncated: its end is missing", path.string());
      continue;
    }
    const std::string_view rest = std::string_view(packed).substr(packed.size() - left);
    if (rest.find_first_not_of('\0') == std::string_view::npos) break;  // padding, as tapes have it
    if (!rest.starts_with("\x1f\x8b"))
      fail(Exit::data,
           "'{}': {} bytes follow its gzip stream, as where files were joined by cat; keep them as files of their own",
           path.string(), left);
    inflateReset(&stream);
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

}  // namespace ddls::data
