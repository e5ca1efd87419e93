#pragma once
#include <string>

namespace ddls::test {

// The smallest EXIF block that gives an orientation.
inline std::string exif_block(int orientation, bool big_endian = false) {
  const auto number = [&](unsigned value, int width) {
    std::string bytes;
    for (int i = 0; i < width; ++i) bytes += static_cast<char>(value >> 8 * (big_endian ? width - 1 - i : i) & 0xFF);
    return bytes;
  };
  const std::string value = number(static_cast<unsigned>(orientation), 2) + std::string(2, '\0');
  return (big_endian ? "MM" : "II") + number(42, 2) + number(8, 4) + number(1, 2) + number(0x0112, 2) + number(3, 2) +
         number(1, 4) + value + number(0, 4);
}

}  // namespace ddls::test
