#pragma once
// The header of a .npy array: magic, version, and a Python dict literal such as
// {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }. No tensor data is touched here.
#include <c10/core/ScalarType.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ddls::tensor {

struct NpyHeader {
  at::ScalarType dtype = at::kFloat;  // of the tensor that the data become
  std::vector<int64_t> sizes;
  // How the data lie in the file. Types that torch lacks (uint16, uint32, uint64) become the next wider signed one.
  at::ScalarType stored = dtype;
  bool unsigned_words = false;  // `stored` is signed and of the same width
  bool big_endian = false, fortran_order = false;

  int64_t bytes() const;  // of the data that follows the header
};

// The first bytes of a .npy file, as numpy writes them (version 1.0, padded so that the data starts at 64
// bytes).
std::string npy_header_text(const NpyHeader& header);

// How many bytes the whole header takes, from the first `npy_prefix_bytes` of the array (all of it, if it is
// shorter).
inline constexpr size_t npy_prefix_bytes = 12;
size_t npy_header_bytes(std::string_view prefix, const std::string& where);
// `header`: exactly the bytes counted above, as any numpy wrote them (that of Python 2 gives sizes as "10L"). Throws
// Error(data) that names `where`: not a .npy, no numbers, an impossible shape.
NpyHeader parse_npy_header(std::string_view header, const std::string& where);

}  // namespace ddls::tensor
