#include "tensor/zip_reader.hpp"

#include <unistd.h>
#include <zip.h>

#include <array>
#include <cstring>
#include <fstream>
#include <functional>

#include "base/error.hpp"
#include "base/files.hpp"
#include "tensor/zip_handles.hpp"

namespace ddls::tensor {
namespace {

Archive opened(const fs::path& file) { return Archive(zip_open(file.c_str(), ZIP_RDONLY, nullptr)); }

std::string entry_name(zip_t* archive, zip_uint64_t index) {
  const char* const name = zip_get_name(archive, index, ZIP_FL_ENC_RAW);
  return name == nullptr ? std::string("a file") : name;
}

// Whether all of an entry could be read, with the right checksum.
bool read_whole(zip_t* archive, zip_uint64_t index, const std::function<void(const char*, size_t)>& take) {
  const ArchiveFile entry(zip_fopen_index(archive, index, 0));
  if (!entry) return false;
  std::vector<char> piece(size_t{1} << 20);
  zip_int64_t read = 0;
  while ((read = zip_fread(entry.get(), piece.data(), piece.size())) > 0) take(piece.data(), static_cast<size_t>(read));
  return read == 0;
}

}  // namespace

ZipState zip_state(const fs::path& file) {
  std::array<char, 4> first{};
  std::ifstream(file, std::ios::binary).read(first.data(), first.size());
  if (std::memcmp(first.data(), "PK\3\4", first.size()) != 0) return ZipState::none;
  return opened(file) ? ZipState::complete : ZipState::cut;
}

std::vector<std::string> zip_entries(const fs::path& file) {
  std::vector<std::string> names;
  const Archive archive = opened(file);
  for (zip_int64_t i = 0; archive && i < zip_get_num_entries(archive.get(), 0); ++i)
    names.push_back(entry_name(archive.get(), static_cast<zip_uint64_t>(i)));
  return names;
}

std::optional<std::string> zip_entry(const fs::path& file, const std::string& name) {
  const Archive archive = opened(file);
  const zip_int64_t index = archive ? zip_name_locate(archive.get(), name.c_str(), 0) : -1;
  std::string bytes;
  if (index < 0 || !read_whole(archive.get(), static_cast<zip_uint64_t>(index),
                               [&](const char* data, size_t count) { bytes.append(data, count); }))
    return std::nullopt;
  return bytes;
}

void require_checksums(const fs::path& file) {
  const Archive archive = opened(file);
  for (zip_int64_t i = 0; archive && i < zip_get_num_entries(archive.get(), 0); ++i) {
    const auto index = static_cast<zip_uint64_t>(i);
    if (!read_whole(archive.get(), index, [](const char*, size_t) {}))
      fail(Exit::data, "{}: damaged: '{}' in it is not what its checksum says; copy or save the file again",
           file.string(), entry_name(archive.get(), index));
  }
}

void require_readable(const fs::path& file, const std::string& what, const char* kind) {
  if (!fs::exists(file)) fail(Exit::missing, "{}: there is no such file ({})", file.string(), what);
  if (fs::is_directory(file)) fail(Exit::data, "{}: a folder and not {} ({})", file.string(), kind, what);
  if (access(file.c_str(), R_OK) != 0)
    fail(Exit::missing, "{}: cannot be read ({}): {}", file.string(), what, std::strerror(errno));
}

}  // namespace ddls::tensor
