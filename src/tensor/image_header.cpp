#include "tensor/image_header.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

#include "tensor/image_codecs.hpp"

namespace ddls::tensor {
namespace {

unsigned byte_at(std::string_view bytes, size_t at) {
  return at < bytes.size() ? static_cast<unsigned char>(bytes[at]) : 0U;
}

size_t big_endian(std::string_view bytes, size_t at, size_t count) {
  size_t value = 0;
  for (size_t i = 0; i < count; ++i) value = value << 8 | byte_at(bytes, at + i);
  return value;
}

// tRNS stands before the first IDAT.
bool png_has_transparency(std::string_view bytes) {
  for (size_t at = 8; at + 12 <= bytes.size(); at += 12 + big_endian(bytes, at, 4)) {
    const std::string_view kind = bytes.substr(at + 4, 4);
    if (kind == "tRNS") return true;
    if (kind == "IDAT" || kind == "IEND") return false;
  }
  return false;
}

ImageHeader png_header(std::string_view bytes) {
  const unsigned bits = byte_at(bytes, 24), colour = byte_at(bytes, 25);
  const char* names[] = {"grey", nullptr, "RGB", "palette", "grey with alpha", nullptr, "RGB with alpha"};
  if (bytes.size() < 29 || colour > 6 || names[colour] == nullptr) return {"unknown", {}};
  ImageHeader header{fmt::format("PNG {}-bit {}", bits, names[colour]), {}};
  if (bits == 16) header.conversions.emplace_back("16_bit");
  if (bits < 8 && colour == 0) header.conversions.emplace_back("low_bit_depth");
  if (colour == 3) header.conversions.emplace_back("palette");
  if ((colour & 4) != 0 || png_has_transparency(bytes)) header.conversions.emplace_back("alpha");
  return header;
}

// SOFn: every 0xC0 ... 0xCF but DHT, JPG and DAC.
bool begins_frame(unsigned marker) {
  return marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
}

ImageHeader jpeg_header(std::string_view bytes) {
  bool adobe = false;
  unsigned transform = 0;
  for (size_t at = 2; at + 4 <= bytes.size();) {
    if (byte_at(bytes, at) != 0xFF) {  // stray bytes between segments
      ++at;
      continue;
    }
    const unsigned marker = byte_at(bytes, at + 1);
    if (marker == 0xFF || marker == 0 || marker == 1 || (marker >= 0xD0 && marker <= 0xD8)) {
      at += marker == 0xFF ? 1 : 2;
      continue;
    }
    if (marker == 0xD9 || marker == 0xDA) break;
    if (marker == 0xEE && bytes.substr(at + 4, 5) == "Adobe") {
      adobe = true;
      transform = byte_at(bytes, at + 15);
    }
    if (begins_frame(marker)) {
      const unsigned components = byte_at(bytes, at + 9);
      if (components == 1) return {"JPEG grey", {}};
      if (components == 3) return {adobe && transform == 0 ? "JPEG RGB" : "JPEG YCbCr", {}};
      if (components == 4) return {transform == 2 ? "JPEG YCCK" : "JPEG CMYK", {"cmyk"}};
      break;
    }
    at += 2 + std::max<size_t>(big_endian(bytes, at + 2, 2), 2);
  }
  return {"unknown", {}};
}

}  // namespace

ImageHeader image_header(std::string_view bytes) {
  if (looks_like_png(bytes)) return png_header(bytes);
  if (looks_like_jpeg(bytes)) return jpeg_header(bytes);
  return {"unknown", {}};
}

}  // namespace ddls::tensor
