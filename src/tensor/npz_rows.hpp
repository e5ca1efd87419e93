#pragma once
// An .npz whose rows come in any order and from several processes, straight to their place in the file: nothing is
// written twice. The sizes of all arrays are known beforehand. Until it is sealed, checksums and directory are missing,
// so nobody takes it for a whole file. Sealed, it has the bytes that NpzWriter would have written.
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "tensor/npz.hpp"
#include "tensor/zip_records.hpp"

namespace ddls::tensor {

// CRC-32 of a, then b.
uint32_t joined_crc(uint32_t a, uint32_t b, uint64_t bytes_of_b);

class NpzRows {
 public:
  // Makes the file at its full size where it is not there (processes may race for that). Arrays have at least one
  // dimension. Throws Error(runtime) with the system's reason; Error(data) where the file is one of other arrays.
  NpzRows(std::filesystem::path path, const std::vector<NpzWriter::Entry>& arrays);
  ~NpzRows();
  NpzRows(const NpzRows&) = delete;
  NpzRows& operator=(const NpzRows&) = delete;

  // Rows [first, first + rows.size(0)) of array number `array`. Returns the CRC-32 of their bytes.
  uint32_t write(size_t array, int64_t first, const at::Tensor& rows);
  uint32_t checksum(size_t array, int64_t first, int64_t count) const;  // of these rows, read back
  uint64_t row_bytes(size_t array) const { return arrays_.at(array).row_bytes; }
  void sync();  // what was written is on the disk
  // One process, when all rows have come: puts in the checksums (of each array's data, one per array) and the
  // directory, and reads the file once. Returns its SHA-256. Throws Error(data) where the data are not those of the
  // checksums.
  std::string seal(std::span<const uint32_t> crcs);

 private:
  struct Array {
    NpzWriter::Entry entry;
    uint64_t data_begin = 0, row_bytes = 0;
    std::string header;  // of .npy
  };
  void make();
  void write_at(uint64_t offset, std::string_view bytes);
  [[noreturn]] void system_failure(const char* what) const;

  std::filesystem::path path_;
  std::vector<Array> arrays_;
  std::vector<ZipEntry> entries_;  // without checksums
  uint64_t directory_begin_ = 0, size_ = 0;
  int file_ = -1;
};

}  // namespace ddls::tensor
