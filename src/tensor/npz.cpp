#include "tensor/npz.hpp"

#include <zip.h>

#include <ATen/ATen.h>

#include <memory>

#include "base/error.hpp"
#include "base/files.hpp"
#include "tensor/npy_header.hpp"

namespace ddls {
namespace {

struct CloseArchive {
  void operator()(zip_t* archive) const { zip_discard(archive); }  // read only: nothing to write back
};
struct CloseFile {
  void operator()(zip_file_t* file) const { zip_fclose(file); }
};
using Archive = std::unique_ptr<zip_t, CloseArchive>;
using ArchiveFile = std::unique_ptr<zip_file_t, CloseFile>;

Archive open_archive(const fs::path& path) {
  if (!fs::exists(path)) fail(Exit::missing, "'{}' does not exist", path.string());
  int code = 0;
  if (Archive archive{zip_open(path.c_str(), ZIP_RDONLY, &code)}) return archive;
  zip_error_t error;
  zip_error_init_with_code(&error, code);
  const std::string reason = zip_error_strerror(&error);
  zip_error_fini(&error);
  fail(code == ZIP_ER_OPEN ? Exit::runtime : Exit::data, "cannot read '{}' as .npz: {}", path.string(), reason);
}

// Exactly `bytes` bytes of an entry.
void read_exactly(zip_file_t* file, void* target, size_t bytes, const std::string& where) {
  auto* to = static_cast<char*>(target);
  while (bytes > 0) {
    const zip_int64_t n = zip_fread(file, to, bytes);
    if (n < 0) fail(Exit::data, "{}: damaged: {}", where, zip_file_strerror(file));
    if (n == 0) fail(Exit::data, "{}: truncated", where);
    to += n;
    bytes -= static_cast<size_t>(n);
  }
}

at::Tensor read_entry(zip_t* archive, zip_uint64_t index, uint64_t claimed_bytes, const std::string& where) {
  ArchiveFile file(zip_fopen_index(archive, index, 0));
  if (!file) fail(Exit::data, "{}: {}", where, zip_strerror(archive));
  std::string text(std::min<uint64_t>(npy_prefix_bytes, claimed_bytes), '\0');
  read_exactly(file.get(), text.data(), text.size(), where);
  const size_t header_bytes = npy_header_bytes(text, where);
  text.resize(header_bytes);
  read_exactly(file.get(), text.data() + npy_prefix_bytes, header_bytes - npy_prefix_bytes, where);
  const NpyHeader header = parse_npy_header(text, where);
  if (header_bytes + static_cast<uint64_t>(header.bytes()) != claimed_bytes) {
    fail(Exit::data, "{}: its header promises {} bytes of data, the entry holds {}", where, header.bytes(),
         claimed_bytes - std::min<uint64_t>(claimed_bytes, header_bytes));
  }
  at::Tensor tensor = at::empty(header.sizes, header.dtype);
  read_exactly(file.get(), tensor.mutable_data_ptr(), tensor.nbytes(), where);
  char beyond = 0;  // reading up to the end is what makes libzip compare the checksum
  if (zip_fread(file.get(), &beyond, 1) != 0) fail(Exit::data, "{}: damaged: {}", where, zip_file_strerror(file.get()));
  return tensor;
}

// What a header claims may not exceed what the file can hold, even deflated, before memory is taken for it.
void check_claim(const zip_stat_t& stat, uint64_t file_bytes, const std::string& where) {
  constexpr uint64_t deflate_limit = 1040;  // deflate cannot do better than 1032 to 1
  const zip_uint64_t needed = ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE;
  const bool stored = (stat.valid & ZIP_STAT_COMP_METHOD) != 0 && stat.comp_method == ZIP_CM_STORE;
  if ((stat.valid & needed) != needed || stat.comp_size > file_bytes ||
      stat.size / (stored ? 1 : deflate_limit) > stat.comp_size) {
    fail(Exit::data, "{}: damaged: impossible sizes in the zip directory", where);
  }
}

}  // namespace

NamedTensors read_npz(const fs::path& path) {
  const Archive archive = open_archive(path);
  const uint64_t file_bytes = fs::file_size(path);
  if (file_bytes == 0) fail(Exit::data, "'{}' is empty", path.string());  // to libzip an archive without entries
  NamedTensors arrays;
  const zip_int64_t count = zip_get_num_entries(archive.get(), 0);
  for (zip_int64_t i = 0; i < count; ++i) {
    zip_stat_t stat;
    if (zip_stat_index(archive.get(), static_cast<zip_uint64_t>(i), 0, &stat) != 0) {
      fail(Exit::data, "'{}': entry {}: {}", path.string(), i, zip_strerror(archive.get()));
    }
    std::string name = stat.name;
    const std::string where = fmt::format("'{}', entry '{}'", path.string(), name);
    if (!name.ends_with(".npy")) fail(Exit::data, "{}: not a .npy array", where);
    check_claim(stat, file_bytes, where);
    name.resize(name.size() - 4);
    if (arrays.contains(name)) fail(Exit::data, "{}: there are two entries of this name", where);
    arrays[name] = read_entry(archive.get(), static_cast<zip_uint64_t>(i), stat.size, where);
  }
  return arrays;
}

at::Tensor read_npy(const fs::path& path) {
  const std::string bytes = read_file(path);
  const std::string where = fmt::format("'{}'", path.string());
  const size_t header_bytes = npy_header_bytes(std::string_view(bytes).substr(0, npy_prefix_bytes), where);
  if (bytes.size() < header_bytes) fail(Exit::data, "{}: truncated .npy header", where);
  const NpyHeader header = parse_npy_header(std::string_view(bytes).substr(0, header_bytes), where);
  if (static_cast<uint64_t>(header.bytes()) != bytes.size() - header_bytes) {
    fail(Exit::data, "{}: its header promises {} bytes of data, the file holds {}", where, header.bytes(),
         bytes.size() - header_bytes);
  }
  at::Tensor tensor = at::empty(header.sizes, header.dtype);
  if (tensor.nbytes() > 0) std::memcpy(tensor.mutable_data_ptr(), bytes.data() + header_bytes, tensor.nbytes());
  return tensor;
}

}  // namespace ddls
