#include "tensor/zip_records.hpp"

namespace ddls::tensor {
namespace {

constexpr uint16_t version_zip64 = 45;
constexpr uint16_t utf8_names = 1 << 11;
constexpr uint16_t date_1980_01_01 = (1 << 5) | 1;
constexpr uint32_t see_zip64 = 0xFFFFFFFF;

// Little-endian fields, one after the other.
class Record {
 public:
  Record& u16(uint64_t v) { return put(v, 2); }
  Record& u32(uint64_t v) { return put(v, 4); }
  Record& u64(uint64_t v) { return put(v, 8); }
  Record& text(const std::string& s) {
    bytes_ += s;
    return *this;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  Record& put(uint64_t v, int count) {
    for (int i = 0; i < count; ++i) bytes_ += static_cast<char>(v >> (8 * i) & 0xFF);
    return *this;
  }
  std::string bytes_;
};

}  // namespace

std::string zip_local_header(const ZipEntry& entry) {
  return Record()
      .u32(0x04034b50)
      .u16(version_zip64)
      .u16(utf8_names)
      .u16(0)
      .u16(0)
      .u16(date_1980_01_01)
      .u32(entry.crc)
      .u32(see_zip64)
      .u32(see_zip64)
      .u16(entry.name.size())
      .u16(20)
      .text(entry.name)
      .u16(1)
      .u16(16)
      .u64(entry.bytes)
      .u64(entry.bytes)
      .bytes();
}

std::string zip_crc_field(uint32_t crc) { return Record().u32(crc).bytes(); }

std::string zip_directory(std::span<const ZipEntry> entries, uint64_t offset) {
  std::string out;
  for (const ZipEntry& e : entries) {
    out += Record()
               .u32(0x02014b50)
               .u16(version_zip64)
               .u16(version_zip64)
               .u16(utf8_names)
               .u16(0)
               .u16(0)
               .u16(date_1980_01_01)
               .u32(e.crc)
               .u32(see_zip64)
               .u32(see_zip64)
               .u16(e.name.size())
               .u16(28)
               .u16(0)
               .u16(0)
               .u16(0)
               .u32(0)
               .u32(see_zip64)
               .text(e.name)
               .u16(1)
               .u16(24)
               .u64(e.bytes)
               .u64(e.bytes)
               .u64(e.offset)
               .bytes();
  }
  const uint64_t directory_bytes = out.size(), directory_end = offset + directory_bytes;
  out += Record()  // zip64 end of directory, its locator, and the old end record that points to neither
             .u32(0x06064b50)
             .u64(44)
             .u16(version_zip64)
             .u16(version_zip64)
             .u32(0)
             .u32(0)
             .u64(entries.size())
             .u64(entries.size())
             .u64(directory_bytes)
             .u64(offset)
             .u32(0x07064b50)
             .u32(0)
             .u64(directory_end)
             .u32(1)
             .u32(0x06054b50)
             .u16(0)
             .u16(0)
             .u16(0xFFFF)
             .u16(0xFFFF)
             .u32(see_zip64)
             .u32(see_zip64)
             .u16(0)
             .bytes();
  return out;
}

}  // namespace ddls::tensor
