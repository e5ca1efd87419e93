#include <ATen/ATen.h>
#include <png.h>
#include <zlib.h>

#include "base/error.hpp"
#include "tensor/image_codecs.hpp"
#include "tensor/image_limits.hpp"

namespace ddls {
namespace {

constexpr std::string_view signature{"\x89PNG\r\n\x1a\n", 8};

uint32_t big_endian(std::string_view bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

// libpng's simple interface stops after the last row of pixels and lets bad ancillary chunks pass; a file
// that was cut or altered behind that is found here.
void check_chunks(std::string_view bytes, const std::string& name) {
  constexpr size_t frame = 12;  // length, type, checksum
  size_t at = signature.size();
  while (true) {
    if (bytes.size() - at < frame) fail(Exit::data, "'{}': truncated PNG", name);
    const size_t length = big_endian(bytes, at);
    if (length > bytes.size() - at - frame) fail(Exit::data, "'{}': truncated PNG", name);
    const std::string_view typed = bytes.substr(at + 4, 4 + length);
    const auto crc = crc32_z(crc32_z(0, nullptr, 0), reinterpret_cast<const Bytef*>(typed.data()), typed.size());
    if (crc != big_endian(bytes, at + 8 + length)) {
      fail(Exit::data, "'{}': damaged PNG (checksum of a chunk at byte {})", name, at);
    }
    if (typed.starts_with("IEND")) return;
    at += frame + length;
  }
}

struct PngImage : png_image {
  PngImage() : png_image{} { version = PNG_IMAGE_VERSION; }
  ~PngImage() { png_image_free(this); }
  PngImage(const PngImage&) = delete;
  PngImage& operator=(const PngImage&) = delete;
};

// [H, W, colours and alpha] -> [H, W, colours]
at::Tensor over_black(const at::Tensor& pixels) {
  const int64_t colours = pixels.size(2) - 1, count = pixels.size(0) * pixels.size(1);
  at::Tensor result = at::empty({pixels.size(0), pixels.size(1), colours}, at::kByte);
  const uint8_t* in = pixels.const_data_ptr<uint8_t>();
  uint8_t* out = result.mutable_data_ptr<uint8_t>();
  for (int64_t p = 0; p < count; ++p, in += colours + 1) {
    for (int64_t c = 0; c < colours; ++c) *out++ = static_cast<uint8_t>((in[c] * in[colours] + 127) / 255);
  }
  return result;
}

}  // namespace

bool looks_like_png(std::string_view bytes) { return bytes.starts_with(signature); }

at::Tensor decode_png(std::string_view bytes, const std::string& name) {
  check_chunks(bytes, name);
  PngImage image;
  if (png_image_begin_read_from_memory(&image, bytes.data(), bytes.size()) == 0) {
    fail(Exit::data, "'{}': damaged PNG: {}", name, image.message);
  }
  check_image_size(image.width, image.height, name);
  // Always with alpha, laid over black below: libpng itself would do that in linear light.
  const bool colour = (image.format & PNG_FORMAT_FLAG_COLOR) != 0;
  image.format = colour ? PNG_FORMAT_RGBA : PNG_FORMAT_GA;
  image.flags |= PNG_IMAGE_FLAG_16BIT_sRGB;  // 16 bit is only finer, not another brightness curve
  const int64_t channels = colour ? 4 : 2;
  at::Tensor pixels = at::empty({int64_t{image.height}, int64_t{image.width}, channels}, at::kByte);
  if (png_image_finish_read(&image, nullptr, pixels.mutable_data_ptr<uint8_t>(), 0, nullptr) == 0) {
    fail(Exit::data, "'{}': damaged PNG: {}", name, image.message);
  }
  return over_black(pixels);
}

std::string encode_png_pixels(const at::Tensor& pixels) {
  PngImage image;
  image.height = static_cast<png_uint_32>(pixels.size(0));
  image.width = static_cast<png_uint_32>(pixels.size(1));
  image.format = pixels.size(2) == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
  png_alloc_size_t bytes = PNG_IMAGE_PNG_SIZE_MAX(image);
  std::string png(bytes, '\0');
  const int written =
      png_image_write_to_memory(&image, png.data(), &bytes, 0, pixels.const_data_ptr<uint8_t>(), 0, nullptr);
  ensure(written != 0, "libpng cannot write a {} x {} image: {}", pixels.size(1), pixels.size(0), image.message);
  png.resize(bytes);
  return png;
}

}  // namespace ddls
