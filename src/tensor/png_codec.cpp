#include <ATen/ATen.h>
#include <png.h>
#include <zlib.h>

#include <algorithm>
#include <csetjmp>
#include <cstdio>

#include "base/error.hpp"
#include "tensor/exif.hpp"
#include "tensor/image_codecs.hpp"
#include "tensor/image_io.hpp"
#include "tensor/image_limits.hpp"

namespace ddls::tensor {
namespace {

constexpr std::string_view signature{"\x89PNG\r\n\x1a\n", 8};

uint32_t big_endian(std::string_view bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

// What lies between the signature and the end, beside what libpng reads.
struct Chunks {
  std::string_view exif;  // empty: none
};

// libpng stops after the last row of pixels and lets bad ancillary chunks pass; a file that was cut or altered behind
// that is found here.
Chunks check_chunks(std::string_view bytes, const std::string& name) {
  constexpr size_t frame = 12;  // length, type, checksum
  size_t at = signature.size();
  Chunks chunks;
  while (true) {
    if (bytes.size() - at < frame) fail(Exit::data, "'{}': truncated PNG", name);
    const size_t length = big_endian(bytes, at);
    if (length > bytes.size() - at - frame) fail(Exit::data, "'{}': truncated PNG", name);
    const std::string_view typed = bytes.substr(at + 4, 4 + length);
    const auto crc = crc32_z(crc32_z(0, nullptr, 0), reinterpret_cast<const Bytef*>(typed.data()), typed.size());
    if (crc != big_endian(bytes, at + 8 + length)) {
      fail(Exit::data, "'{}': damaged PNG (checksum of a chunk at byte {})", name, at);
    }
    if (typed.starts_with("IEND")) return chunks;
    if (typed.starts_with("eXIf")) chunks.exif = typed.substr(4);
    at += frame + length;
  }
}

// libpng leaves by longjmp: what is between it and setjmp here holds nothing that has a destructor.
class PngReader {
 public:
  explicit PngReader(std::string_view bytes) : rest_(bytes) {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, on_error, [](png_structp, png_const_charp) {});
    if (png_ != nullptr) info_ = png_create_info_struct(png_);
    if (info_ == nullptr) png_destroy_read_struct(&png_, nullptr, nullptr);
    ensure(info_ != nullptr, "libpng does not start: {}", error_);
  }
  ~PngReader() { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;

  // False: damaged; `error` says how.
  bool read_header() {
    if (setjmp(png_jmpbuf(png_)) != 0) return false;
    png_set_read_fn(png_, this, read);
    png_set_benign_errors(png_, 1);
    // Of gAMA, cHRM, iCCP, sRGB and the rest nothing may touch the samples.
    png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
    png_read_info(png_, info_);
    return true;
  }

  // The transformations to 8 bits, and of palettes to colours. Channels: 1 or 3, or one more for alpha.
  bool choose_form() {
    if (setjmp(png_jmpbuf(png_)) != 0) return false;
    png_set_expand(png_);
    png_set_scale_16(png_);  // to the nearest, round(v / 257)
    passes_ = png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    return true;
  }

  // `pixels`: rows of `row_bytes`, one behind the other.
  bool read_pixels(uint8_t* pixels, size_t row_bytes) {
    if (setjmp(png_jmpbuf(png_)) != 0) return false;
    for (int pass = 0; pass < passes_; ++pass)
      for (png_uint_32 y = 0; y < height(); ++y) png_read_row(png_, pixels + y * row_bytes, nullptr);
    return true;
  }

  png_uint_32 width() const { return png_get_image_width(png_, info_); }
  png_uint_32 height() const { return png_get_image_height(png_, info_); }
  int channels() const { return png_get_channels(png_, info_); }
  int bit_depth() const { return png_get_bit_depth(png_, info_); }
  const char* error() const { return error_; }

 private:
  static void on_error(png_structp png, png_const_charp message) {
    auto& reader = *static_cast<PngReader*>(png_get_error_ptr(png));
    std::snprintf(reader.error_, sizeof reader.error_, "%s", message);
    png_longjmp(png, 1);
  }

  static void read(png_structp png, png_bytep out, size_t count) {
    std::string_view& rest = static_cast<PngReader*>(png_get_io_ptr(png))->rest_;
    if (rest.size() < count) png_error(png, "truncated");
    std::copy_n(rest.data(), count, reinterpret_cast<char*>(out));
    rest.remove_prefix(count);
  }

  std::string_view rest_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  int passes_ = 1;
  char error_[256] = "";
};

// [H, W, colours and alpha] -> [H, W, colours]
at::Tensor without_alpha(const at::Tensor& pixels, Alpha alpha, PixelNotes& notes) {
  const int64_t colours = pixels.size(2) - 1, count = pixels.size(0) * pixels.size(1);
  at::Tensor result = at::empty({pixels.size(0), pixels.size(1), colours}, at::kByte);
  const uint8_t* in = pixels.const_data_ptr<uint8_t>();
  uint8_t* out = result.mutable_data_ptr<uint8_t>();
  const int ground = alpha == Alpha::white ? 255 : 0;
  for (int64_t p = 0; p < count; ++p, in += colours + 1) {
    const int opaque = in[colours], share = alpha == Alpha::drop ? 255 : opaque;
    notes.transparent |= opaque != 255;
    for (int64_t c = 0; c < colours; ++c)
      *out++ = static_cast<uint8_t>((in[c] * share + ground * (255 - share) + 127) / 255);
  }
  return result;
}

// For writing.
struct PngImage : png_image {
  PngImage() : png_image{} { version = PNG_IMAGE_VERSION; }
  ~PngImage() { png_image_free(this); }
  PngImage(const PngImage&) = delete;
  PngImage& operator=(const PngImage&) = delete;
};

}  // namespace

bool looks_like_png(std::string_view bytes) { return bytes.starts_with(signature); }

bool png_is_more_than_samples(std::string_view bytes) {
  constexpr size_t colour_type = 25;  // of IHDR, which is always first
  if (!looks_like_png(bytes) || bytes.size() <= colour_type) return false;
  if ((bytes[colour_type] & PNG_COLOR_MASK_ALPHA) != 0) return true;
  for (size_t at = signature.size(); bytes.size() - at >= 8;) {
    const std::string_view type = bytes.substr(at + 4, 4);
    if (type == "IDAT" || type == "IEND") return false;
    if (type == "tRNS" || type == "gAMA" || type == "cHRM" || type == "iCCP") return true;
    const size_t length = big_endian(bytes, at);
    if (length > bytes.size() - at - 8 || bytes.size() - at - 8 - length < 4) return false;
    at += 12 + length;
  }
  return false;
}

at::Tensor decode_png(std::string_view bytes, const std::string& name, Alpha alpha, PixelNotes& notes) {
  const Chunks chunks = check_chunks(bytes, name);
  PngReader png(bytes);
  const auto require = [&](bool done) {
    if (!done) fail(Exit::data, "'{}': damaged PNG: {}", name, png.error());
  };
  require(png.read_header());
  check_image_size(png.width(), png.height(), name);
  notes.sixteen_bits |= png.bit_depth() == 16;
  if (!chunks.exif.empty()) note_exif(chunks.exif, notes);
  require(png.choose_form());
  const int64_t channels = png.channels();
  at::Tensor pixels = at::empty({int64_t{png.height()}, int64_t{png.width()}, channels}, at::kByte);
  require(png.read_pixels(pixels.mutable_data_ptr<uint8_t>(), static_cast<size_t>(pixels.stride(0))));
  return channels == 1 || channels == 3 ? pixels : without_alpha(pixels, alpha, notes);
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

}  // namespace ddls::tensor
