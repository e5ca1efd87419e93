#pragma once
// The bytes of a tar archive and the list of its members.
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace ddls::data {

// A plain archive stays on disk; a gzip-compressed one (told apart by content) is decompressed into memory, because
// nothing in its middle can be reached otherwise.
class TarFile {
 public:
  // `keep_open`: hold the file open, not open it for each read. Throws Error: missing, data (damaged gzip), runtime.
  TarFile(std::filesystem::path path, bool keep_open);
  ~TarFile();
  TarFile(const TarFile&) = delete;
  TarFile& operator=(const TarFile&) = delete;

  const std::filesystem::path& path() const { return path_; }
  uint64_t size() const { return size_; }  // of the archive, decompressed
  // Bytes [offset, offset + count), fewer only where the file ends. Any number of threads at once.
  std::string read(uint64_t offset, uint64_t count) const;

 private:
  std::filesystem::path path_;
  uint64_t size_ = 0;
  int fd_ = -1;
  bool in_memory_ = false;
  std::string memory_;
};

struct TarMember {
  std::string name;
  uint64_t offset = 0, size = 0;  // of the content
  char type = '0';                // '0': a regular file; of a hard link to one before it, that file's offset and size
  std::string target = {};        // of other links
};

// Members in the order of the archive. ustar, GNU long names and sizes, pax path and size. `damage` is empty, or says
// where and why the list ends early: a header whose checksum is wrong, a file that ends within a member or without the
// zero block that ends an archive, bytes other than zero behind that block. The members before it can be used.
struct TarIndex {
  std::vector<TarMember> members;
  std::string damage;
};
TarIndex read_tar_index(const TarFile& file);

}  // namespace ddls::data
