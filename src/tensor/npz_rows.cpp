#include "tensor/npz_rows.hpp"

#include <ATen/ATen.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <cerrno>
#include <functional>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/host.hpp"
#include "tensor/npy_header.hpp"

namespace ddls::tensor {
namespace {

constexpr uint64_t piece_bytes = uint64_t{1} << 20;

uint32_t crc_of(uint32_t before, std::string_view bytes) {
  return static_cast<uint32_t>(crc32_z(before, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

// Calls `use` with pieces of the file's bytes [begin, end). False where the file ends before, or cannot be read.
bool for_each_piece(int file, uint64_t begin, uint64_t end, const std::function<void(std::string_view)>& use) {
  std::string piece(piece_bytes, '\0');
  while (begin < end) {
    const ssize_t n = ::pread(file, piece.data(), std::min(end - begin, piece_bytes), static_cast<off_t>(begin));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    use(std::string_view(piece).substr(0, static_cast<size_t>(n)));
    begin += static_cast<uint64_t>(n);
  }
  return true;
}

}  // namespace

uint32_t joined_crc(uint32_t a, uint32_t b, uint64_t bytes_of_b) {
  return static_cast<uint32_t>(crc32_combine64(a, b, static_cast<off_t>(bytes_of_b)));
}

NpzRows::NpzRows(fs::path path, const std::vector<NpzWriter::Entry>& arrays) : path_(std::move(path)) {
  uint64_t position = 0;
  for (const NpzWriter::Entry& entry : arrays) {
    ensure(!entry.sizes.empty() && entry.sizes[0] > 0, "npz '{}': array '{}' has no rows", path_.string(), entry.name);
    const NpyHeader header{entry.dtype, entry.sizes};
    Array array{entry, 0, static_cast<uint64_t>(header.bytes() / entry.sizes[0]), npy_header_text(header)};
    ZipEntry zip{entry.name + ".npy", position, array.header.size() + static_cast<uint64_t>(header.bytes()), 0};
    array.data_begin = position + zip_local_header(zip).size() + array.header.size();
    position = array.data_begin + static_cast<uint64_t>(header.bytes());
    arrays_.push_back(std::move(array));
    entries_.push_back(std::move(zip));
  }
  directory_begin_ = position;
  size_ = position + zip_directory(entries_, position).size();
  file_ = ::open(path_.c_str(), O_RDWR | O_CLOEXEC);
  if (file_ < 0 && errno == ENOENT) make();
  if (file_ < 0) system_failure("cannot open");
  struct stat about = {};
  if (::fstat(file_, &about) != 0) system_failure("cannot read");
  if (static_cast<uint64_t>(about.st_size) != size_) {
    ::close(file_);
    fail(Exit::data, "'{}' has {} bytes where {} are expected; delete it and start again", path_.string(),
         about.st_size, size_);
  }
}

NpzRows::~NpzRows() {
  if (file_ >= 0) ::close(file_);
}

void NpzRows::system_failure(const char* what) const {
  fail(Exit::runtime, "{} '{}': {}", what, path_.string(), system_text(errno));
}

// Under another name first: who finds the file finds it whole. Who comes second finds that of the first.
void NpzRows::make() {
  const std::string partial = fmt::format("{}.{}-{}", path_.string(), host_name(), ::getpid());
  file_ = ::open(partial.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (file_ < 0) system_failure("cannot create");
  const auto tidy = [&] { ::unlink(partial.c_str()); };
  try {
    if (::ftruncate(file_, static_cast<off_t>(size_)) != 0) system_failure("cannot write");
    for (size_t i = 0; i < arrays_.size(); ++i)
      write_at(entries_[i].offset, zip_local_header(entries_[i]) + arrays_[i].header);
    // Some file systems have no hard links; there, two that come at the same instant could meet in the wrong order.
    if (::link(partial.c_str(), path_.c_str()) != 0 && errno != EEXIST && !fs::exists(path_) &&
        ::rename(partial.c_str(), path_.c_str()) != 0)
      system_failure("cannot create");
  } catch (...) {
    tidy();
    ::close(file_);
    throw;
  }
  tidy();
  ::close(file_);
  file_ = ::open(path_.c_str(), O_RDWR | O_CLOEXEC);
}

void NpzRows::write_at(uint64_t offset, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n =
        ::pwrite(file_, bytes.data(), std::min(bytes.size(), size_t{1} << 30), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) system_failure("cannot write");
    bytes.remove_prefix(static_cast<size_t>(n));
    offset += static_cast<uint64_t>(n);
  }
}

uint32_t NpzRows::write(size_t array, int64_t first, const at::Tensor& rows) {
  const Array& a = arrays_.at(array);
  const bool fits = rows.scalar_type() == a.entry.dtype && rows.dim() == static_cast<int64_t>(a.entry.sizes.size()) &&
                    rows.sizes().slice(1).equals(at::IntArrayRef(a.entry.sizes).slice(1)) && first >= 0 &&
                    first + rows.size(0) <= a.entry.sizes[0];
  ensure(fits, "npz '{}': rows from {} do not fit array '{}'", path_.string(), first, a.entry.name);
  const at::Tensor dense = rows.detach().to(at::kCPU).contiguous();
  const std::string_view bytes(static_cast<const char*>(dense.const_data_ptr()), dense.nbytes());
  write_at(a.data_begin + static_cast<uint64_t>(first) * a.row_bytes, bytes);
  return crc_of(0, bytes);
}

uint32_t NpzRows::checksum(size_t array, int64_t first, int64_t count) const {
  const Array& a = arrays_.at(array);
  const uint64_t begin = a.data_begin + static_cast<uint64_t>(first) * a.row_bytes;
  uint32_t crc = 0;
  if (!for_each_piece(file_, begin, begin + static_cast<uint64_t>(count) * a.row_bytes,
                      [&](std::string_view piece) { crc = crc_of(crc, piece); }))
    fail(Exit::runtime, "cannot read '{}'", path_.string());
  return crc;
}

void NpzRows::sync() {
  if (::fsync(file_) != 0) system_failure("cannot write");
}

std::string NpzRows::seal(std::span<const uint32_t> crcs) {
  ensure(crcs.size() == entries_.size(), "npz '{}': {} checksums for {} arrays", path_.string(), crcs.size(),
         entries_.size());
  std::vector<ZipEntry> entries = entries_;
  for (size_t i = 0; i < entries.size(); ++i) {
    const std::string& header = arrays_[i].header;
    entries[i].crc = joined_crc(crc_of(0, header), crcs[i], entries[i].bytes - header.size());
    write_at(entries[i].offset, zip_local_header(entries[i]) + header);  // nobody has looked after these bytes since
  }
  write_at(directory_begin_, zip_directory(entries, directory_begin_));
  sync();
  Sha256 hash;
  uint64_t position = 0;
  const auto hash_to = [&](uint64_t end) {
    uint32_t crc = 0;
    const bool read = for_each_piece(file_, position, end, [&](std::string_view piece) {
      hash.add(piece);
      crc = crc_of(crc, piece);
    });
    if (!read) fail(Exit::runtime, "cannot read '{}'", path_.string());
    position = end;
    return crc;
  };
  for (size_t i = 0; i < arrays_.size(); ++i) {
    hash_to(arrays_[i].data_begin);
    if (hash_to(entries_[i].offset + zip_local_header(entries_[i]).size() + entries_[i].bytes) != crcs[i])
      fail(Exit::data, "'{}': array '{}' is not what was written to it", path_.string(), arrays_[i].entry.name);
  }
  hash_to(size_);
  return hash.digits();
}

}  // namespace ddls::tensor
