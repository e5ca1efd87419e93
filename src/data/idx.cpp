#include "data/idx.hpp"

#include <ATen/ATen.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "base/error.hpp"

namespace ddls::data {
namespace {

namespace fs = std::filesystem;

constexpr uint32_t magic_ubyte = 0x00000800;  // the low byte is the number of dimensions

struct CloseGzip {
  void operator()(gzFile file) const { gzclose_r(file); }
};

// Bytes of a file, decompressed where it is gzip.
class IdxFile {
 public:
  explicit IdxFile(const fs::path& path) : path_(path) {
    std::error_code error;
    if (!fs::exists(path, error)) fail(Exit::missing, "'{}' does not exist", path.string());
    if (!fs::is_regular_file(path, error)) fail(Exit::data, "'{}' is not an idx file", path.string());
    file_bytes_ = fs::file_size(path);
    file_.reset(gzopen(path.c_str(), "rb"));
    if (!file_) fail(Exit::runtime, "cannot open '{}': {}", path.string(), std::strerror(errno));
    gzbuffer(file_.get(), 1 << 18);
  }

  // Up to `bytes`; fewer only at the end of the file.
  size_t read(void* target, size_t bytes) {
    size_t done = 0;
    while (done < bytes) {
      const auto piece = static_cast<unsigned>(std::min(bytes - done, size_t{1} << 30));
      const int n = gzread(file_.get(), static_cast<char*>(target) + done, piece);
      int code = Z_OK;
      const char* reason = gzerror(file_.get(), &code);
      if (n < 0 || code == Z_BUF_ERROR) fail(Exit::data, "'{}' is damaged or truncated: {}", path_.string(), reason);
      if (n == 0) break;
      done += static_cast<size_t>(n);
    }
    return done;
  }

  uint32_t big_endian() {
    unsigned char b[4];
    if (read(b, sizeof b) != sizeof b) fail(Exit::data, "'{}' is truncated within its header", path_.string());
    return uint32_t{b[0]} << 24 | uint32_t{b[1]} << 16 | uint32_t{b[2]} << 8 | b[3];
  }

  // deflate cannot do better than 1032 to 1: what a header may claim.
  uint64_t most_bytes() const { return gzdirect(file_.get()) != 0 ? file_bytes_ : file_bytes_ * 1040; }

 private:
  const fs::path& path_;
  uint64_t file_bytes_ = 0;
  std::unique_ptr<gzFile_s, CloseGzip> file_;
};

at::Tensor read_idx(const fs::path& path, uint32_t dimensions, const char* what) {
  IdxFile source(path);
  const uint32_t magic = source.big_endian();
  if (magic != magic_ubyte + dimensions) {
    fail(Exit::data, "'{}' holds no idx {}: its magic is {:#010x}, expected {:#010x}", path.string(), what, magic,
         magic_ubyte + dimensions);
  }
  std::vector<int64_t> sizes;
  uint64_t bytes = 1;
  for (uint32_t i = 0; i < dimensions; ++i) {
    const uint32_t n = source.big_endian();
    if (n == 0 || __builtin_mul_overflow(bytes, uint64_t{n}, &bytes) || bytes > source.most_bytes()) {
      fail(Exit::data, "'{}' is damaged or truncated: its header claims more or less than it can hold", path.string());
    }
    sizes.push_back(n);
  }
  at::Tensor tensor = at::empty(sizes, at::kByte);
  const size_t got = source.read(tensor.mutable_data_ptr<uint8_t>(), bytes);
  if (got != bytes) fail(Exit::data, "'{}' is truncated: {} of {} bytes of {}", path.string(), got, bytes, what);
  char beyond = 0;
  if (source.read(&beyond, 1) != 0) fail(Exit::data, "'{}' has bytes behind its {}", path.string(), what);
  return tensor;
}

}  // namespace

at::Tensor read_idx_images(const fs::path& path) { return read_idx(path, 3, "images").unsqueeze(1); }

at::Tensor read_idx_labels(const fs::path& path) { return read_idx(path, 1, "labels").to(at::kLong); }

}  // namespace ddls::data
