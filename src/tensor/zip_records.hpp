#pragma once
// The records of a .zip of stored (uncompressed) entries, as bytes. Every entry uses the zip64 fields, so that small
// files take the same path as those above 4 GiB, and time stamps are fixed: the bytes depend on names, sizes and
// checksums alone. By hand beside libzip, which reads our files: libzip can neither write an entry whose rows come from
// several processes nor stream one before it has all of its data.
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace ddls::tensor {

struct ZipEntry {
  std::string name;
  uint64_t offset = 0;  // of its local header
  uint64_t bytes = 0;   // of its data
  uint32_t crc = 0;
};

inline constexpr uint64_t zip_crc_offset = 14;  // within a local header

std::string zip_local_header(const ZipEntry& entry);
std::string zip_crc_field(uint32_t crc);  // what stands at zip_crc_offset
// The central directory and its end records, for a file in which they begin at `offset`.
std::string zip_directory(std::span<const ZipEntry> entries, uint64_t offset);

}  // namespace ddls::tensor
