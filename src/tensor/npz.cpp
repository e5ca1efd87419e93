#include "tensor/npz.hpp"

#include <zip.h>

#include <ATen/ATen.h>

#include <algorithm>
#include <set>

#include "base/error.hpp"
#include "base/files.hpp"
#include "tensor/npy_data.hpp"
#include "tensor/npy_header.hpp"
#include "tensor/zip_handles.hpp"

namespace ddls::tensor {
namespace {

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

bool is_stored(const zip_stat_t& stat) {
  return (stat.valid & ZIP_STAT_COMP_METHOD) != 0 && stat.comp_method == ZIP_CM_STORE;
}

// What a header claims may not exceed what the file can hold, even deflated, before memory is taken for it.
void check_claim(const zip_stat_t& stat, uint64_t file_bytes, const std::string& where) {
  constexpr uint64_t deflate_limit = 1040;  // deflate cannot do better than 1032 to 1
  const zip_uint64_t needed = ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE;
  if ((stat.valid & needed) != needed || stat.comp_size > file_bytes ||
      stat.size / (is_stored(stat) ? 1 : deflate_limit) > stat.comp_size) {
    fail(Exit::data, "{}: damaged: impossible sizes in the zip directory", where);
  }
}

struct Entry {
  zip_uint64_t index = 0;
  std::string name, where;
  zip_stat_t stat;
};

// The arrays of an archive. What else lies in it is nobody's business here; numpy hands it out as bytes.
std::vector<Entry> entries_of(zip_t* archive, const fs::path& path) {
  const uint64_t file_bytes = fs::file_size(path);
  if (file_bytes == 0) fail(Exit::data, "'{}' is empty", path.string());  // to libzip an archive without entries
  std::vector<Entry> entries;
  const zip_int64_t count = zip_get_num_entries(archive, 0);
  for (zip_uint64_t i = 0; i < static_cast<zip_uint64_t>(count); ++i) {
    Entry entry{.index = i, .name = {}, .where = {}, .stat = {}};
    if (zip_stat_index(archive, i, 0, &entry.stat) != 0)
      fail(Exit::data, "'{}': entry {}: {}", path.string(), i, zip_strerror(archive));
    const std::string file = entry.stat.name;
    if (!file.ends_with(".npy")) continue;
    entry.name = file.substr(0, file.size() - 4);
    entry.where = fmt::format("'{}', entry '{}'", path.string(), file);
    entries.push_back(std::move(entry));
  }
  return entries;
}

struct Opened {
  ArchiveFile file;  // stands at the first byte of data
  NpyHeader header;
  uint64_t header_bytes = 0;
};

Opened open_entry(zip_t* archive, const Entry& entry, const fs::path& path) {
  const std::string& where = entry.where;
  check_claim(entry.stat, fs::file_size(path), where);
  const uint64_t claimed_bytes = entry.stat.size;
  ArchiveFile file(zip_fopen_index(archive, entry.index, 0));
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
  return {std::move(file), header, header_bytes};
}

// Reading up to the end is what makes libzip compare the checksum.
void expect_end(zip_file_t* file, const std::string& where) {
  char beyond = 0;
  if (zip_fread(file, &beyond, 1) != 0) fail(Exit::data, "{}: damaged: {}", where, zip_file_strerror(file));
}

at::Tensor read_whole(const Opened& entry, const std::string& where) {
  const at::Tensor bytes = at::empty({entry.header.bytes()}, at::kByte);
  read_exactly(entry.file.get(), bytes.mutable_data_ptr(), bytes.nbytes(), where);
  expect_end(entry.file.get(), where);
  return npy_tensor(entry.header, bytes, where);
}

void compare_checksum(const Opened& entry, const std::string& where) {
  std::string piece(size_t{1} << 20, '\0');
  for (auto left = static_cast<uint64_t>(entry.header.bytes()); left > 0;) {
    const size_t bytes = std::min<uint64_t>(left, piece.size());
    read_exactly(entry.file.get(), piece.data(), bytes, where);
    left -= bytes;
  }
  expect_end(entry.file.get(), where);
}

}  // namespace

NamedTensors read_npz(const fs::path& path, const std::set<std::string>& wanted) {
  NamedTensors arrays;
  const Archive archive = open_archive(path);
  for (const Entry& entry : entries_of(archive.get(), path)) {
    if (!wanted.empty() && !wanted.contains(entry.name)) continue;
    if (arrays.contains(entry.name)) fail(Exit::data, "{}: there are two entries of this name", entry.where);
    arrays[entry.name] = read_whole(open_entry(archive.get(), entry, path), entry.where);
  }
  return arrays;
}

std::vector<std::string> npz_names(const fs::path& path) {
  std::vector<std::string> names;
  for (const Entry& entry : entries_of(open_archive(path).get(), path)) names.push_back(entry.name);
  return names;
}

NpzArray::NpzArray(fs::path path, const std::string& name, Checksum checksum) : path_(std::move(path)) {
  const Archive archive = open_archive(path_);
  const std::vector<Entry> entries = entries_of(archive.get(), path_);
  const auto entry = std::ranges::find(entries, name, &Entry::name);
  if (entry == entries.end()) fail(Exit::data, "'{}' has no array '{}'", path_.string(), name);
  if (std::ranges::count(entries, name, &Entry::name) > 1)
    fail(Exit::data, "{}: there are two entries of this name", entry->where);
  const Opened opened = open_entry(archive.get(), *entry, path_);
  entry_ = entry->index;
  where_ = entry->where;
  data_begin_ = opened.header_bytes;
  header_ = opened.header;
  if (sizes().empty()) fail(Exit::data, "{}: a single number, expected rows", where_);
  if (!is_stored(entry->stat) || header_.fortran_order)
    whole_ = read_whole(opened, where_);
  else if (checksum == Checksum::compare)
    compare_checksum(opened, where_);
}

at::Tensor NpzArray::rows(int64_t begin, int64_t count) const {
  ensure(0 <= begin && 0 <= count && begin + count <= sizes().front(), "rows {} to {} of {}", begin, begin + count,
         sizes().front());
  if (whole_.defined()) return whole_.narrow(0, begin, count);
  NpyHeader part = header_;
  part.sizes.front() = count;
  if (part.bytes() == 0) return at::empty(part.sizes, part.dtype);
  const at::Tensor bytes = at::empty({part.bytes()}, at::kByte);
  const Archive archive = open_archive(path_);  // for this call alone: libzip's are not for several threads
  const ArchiveFile file(zip_fopen_index(archive.get(), entry_, 0));
  if (!file) fail(Exit::data, "{}: cannot be read again: {}", where_, zip_strerror(archive.get()));
  const uint64_t from = data_begin_ + static_cast<uint64_t>(begin) * static_cast<uint64_t>(part.bytes() / count);
  if (zip_fseek(file.get(), static_cast<zip_int64_t>(from), SEEK_SET) != 0)
    fail(Exit::data, "{}: cannot be read again: {}", where_, zip_file_strerror(file.get()));
  read_exactly(file.get(), bytes.mutable_data_ptr(), bytes.nbytes(), where_);
  return npy_tensor(part, bytes, where_);
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
  const at::Tensor data = at::empty({header.bytes()}, at::kByte);
  std::copy_n(bytes.data() + header_bytes, data.nbytes(), static_cast<char*>(data.mutable_data_ptr()));
  return npy_tensor(header, data, where);
}

}  // namespace ddls::tensor
