#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstdio>
#include <memory>
// These two need <cstdio>, and the second the first.
#include <jpeglib.h>
#include <jerror.h>

#include "base/error.hpp"
#include "tensor/exif.hpp"
#include "tensor/image_codecs.hpp"
#include "tensor/image_limits.hpp"

namespace ddls::tensor {
namespace {

// Warnings of libjpeg after which every pixel is there and right. All others tell of data that is lost or was made up.
bool concerns_no_pixel(int code) {
  return code == JWRN_EXTRANEOUS_DATA    // stray bytes before a marker
         || code == JWRN_NOT_SEQUENTIAL  // SOS parameters that only progressive files use
         || code == JWRN_JFIF_MAJOR      // another JFIF revision
         || code == JWRN_ADOBE_XFORM;    // another Adobe code: the colours are taken as usual
}

// libjpeg leaves by longjmp: what is between it and setjmp here holds nothing that has a destructor.
class JpegReader {
 public:
  JpegReader() {
    info_.err = jpeg_std_error(&errors_);
    errors_.error_exit = [](j_common_ptr info) {
      JpegReader& reader = of(info);
      info->err->format_message(info, reader.error_);
      std::longjmp(reader.jump_, 1);
    };
    errors_.emit_message = [](j_common_ptr info, int level) {
      if (level >= 0) return;
      if (!concerns_no_pixel(info->err->msg_code)) info->err->error_exit(info);
      JpegReader& reader = of(info);
      if (reader.oddity_[0] == '\0') info->err->format_message(info, reader.oddity_);
    };
    ensure(create(), "libjpeg does not start: {}", error_);
  }
  ~JpegReader() { jpeg_destroy_decompress(&info_); }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;

  // False: damaged; `error` says how, and the reader is of no further use.
  bool read_header(std::string_view bytes) {
    error_[0] = oddity_[0] = '\0';
    exif_ = {};
    if (setjmp(jump_) != 0) return false;
    jpeg_mem_src(&info_, reinterpret_cast<const unsigned char*>(bytes.data()),
                 static_cast<unsigned long>(bytes.size()));
    jpeg_read_header(&info_, TRUE);
    return true;
  }

  // Chooses colours and scale; the size of the output is known afterwards.
  bool choose(J_COLOR_SPACE colours, unsigned denominator) {
    if (setjmp(jump_) != 0) return false;
    info_.out_color_space = colours;
    info_.scale_num = 1;
    info_.scale_denom = denominator;
    jpeg_calc_output_dimensions(&info_);
    return true;
  }

  // `pixels`: output_height rows of output_width pixels of output_components bytes.
  bool read_pixels(uint8_t* pixels) {
    if (setjmp(jump_) != 0) return false;
    jpeg_start_decompress(&info_);
    const size_t row_bytes = size_t{info_.output_width} * static_cast<size_t>(info_.output_components);
    while (info_.output_scanline < info_.output_height) {
      constexpr JDIMENSION most = 16;
      JSAMPROW rows[most];
      const JDIMENSION count = std::min(most, info_.output_height - info_.output_scanline);
      for (JDIMENSION i = 0; i < count; ++i) rows[i] = pixels + (info_.output_scanline + i) * row_bytes;
      jpeg_read_scanlines(&info_, rows, count);
    }
    jpeg_finish_decompress(&info_);  // reads on to the end mark
    return true;
  }

  const jpeg_decompress_struct& info() const { return info_; }
  const char* error() const { return error_; }
  const char* oddity() const { return oddity_; }   // the first warning that concerns no pixel, or empty
  std::string_view exif() const { return exif_; }  // a part of the bytes that are read, or empty

 private:
  static JpegReader& of(j_common_ptr info) { return *static_cast<JpegReader*>(info->client_data); }

  bool create() {
    info_.client_data = this;
    if (setjmp(jump_) != 0) return false;
    jpeg_create_decompress(&info_);  // keeps err and client_data
    jpeg_set_marker_processor(&info_, JPEG_APP0 + 1, read_app1);
    return true;
  }

  // Looks at EXIF where it lies: libjpeg's own way of saving a marker would copy every thumbnail.
  static boolean read_app1(j_decompress_ptr info) {
    jpeg_source_mgr& source = *info->src;
    const auto* bytes = reinterpret_cast<const char*>(source.next_input_byte);
    if (source.bytes_in_buffer < 2) ERREXIT(info, JERR_INPUT_EOF);
    const size_t length = std::max(size_t{source.next_input_byte[0]} << 8 | source.next_input_byte[1], size_t{2});
    if (source.bytes_in_buffer < length) ERREXIT(info, JERR_INPUT_EOF);
    constexpr std::string_view mark("Exif\0\0", 6);
    const std::string_view content(bytes + 2, length - 2);
    std::string_view& exif = of(reinterpret_cast<j_common_ptr>(info)).exif_;
    if (exif.empty() && content.starts_with(mark)) exif = content;
    source.next_input_byte += length;
    source.bytes_in_buffer -= length;
    return TRUE;
  }

  jpeg_decompress_struct info_{};
  jpeg_error_mgr errors_{};
  std::jmp_buf jump_{};
  char error_[JMSG_LENGTH_MAX] = "", oddity_[JMSG_LENGTH_MAX] = "";
  std::string_view exif_;
};

// One per thread, kept from image to image: making it takes longer than decoding a small one.
std::unique_ptr<JpegReader>& reader() {
  thread_local std::unique_ptr<JpegReader> kept;
  if (!kept) kept = std::make_unique<JpegReader>();
  return kept;
}

[[noreturn]] void damaged(const JpegReader& reader, const std::string& name) {
  fail(Exit::data, "'{}': damaged or unsupported JPEG: {}", name, reader.error());
}

// The smallest scale of the cosine transform that leaves the short side at least as long. Only the powers of two:
// libjpeg-turbo has vector code for those, and the steps between them are slower than the next power.
unsigned denominator_for(const jpeg_decompress_struct& info, int64_t at_least) {
  const int64_t side = std::min(info.image_width, info.image_height);
  for (const unsigned denominator : std::array{8U, 4U, 2U})
    if (at_least > 0 && (side + denominator - 1) / denominator >= at_least) return denominator;
  return 1;
}

// CMYK -> RGB. Inks are stored inverted (255 = none), as every common program writes them: R = C K / 255.
at::Tensor without_inks(const at::Tensor& pixels) {
  at::Tensor result = at::empty({pixels.size(0), pixels.size(1), 3}, at::kByte);
  const uint8_t* in = pixels.const_data_ptr<uint8_t>();
  uint8_t* out = result.mutable_data_ptr<uint8_t>();
  const int64_t count = pixels.size(0) * pixels.size(1);
  for (int64_t p = 0; p < count; ++p, in += 4) {
    for (int c = 0; c < 3; ++c) *out++ = static_cast<uint8_t>((in[c] * in[3] + 127) / 255);
  }
  return result;
}

at::Tensor decode(JpegReader& jpeg, std::string_view bytes, const std::string& name, int64_t at_least,
                  PixelNotes& notes) {
  if (!jpeg.read_header(bytes)) damaged(jpeg, name);
  const jpeg_decompress_struct& info = jpeg.info();
  check_image_size(info.image_width, info.image_height, name);
  const int components = info.num_components;
  if (components != 1 && components != 3 && components != 4)
    fail(Exit::data, "'{}': a JPEG of {} components; those of 1 (grey), 3 (colour) and 4 (CMYK) can be read", name,
         components);
  const J_COLOR_SPACE colours = components == 1 ? JCS_GRAYSCALE : components == 3 ? JCS_RGB : JCS_CMYK;
  if (!jpeg.choose(colours, denominator_for(info, at_least))) damaged(jpeg, name);
  at::Tensor pixels = at::empty({int64_t{info.output_height}, int64_t{info.output_width}, components}, at::kByte);
  if (!jpeg.read_pixels(pixels.mutable_data_ptr<uint8_t>())) damaged(jpeg, name);
  if (jpeg.oddity()[0] != '\0') notes.oddity = jpeg.oddity();
  if (!jpeg.exif().empty()) note_exif(jpeg.exif(), notes);
  notes.inks |= components == 4;
  return components == 4 ? without_inks(pixels) : pixels;
}

}  // namespace

bool looks_like_jpeg(std::string_view bytes) { return bytes.starts_with("\xFF\xD8\xFF"); }

at::Tensor decode_jpeg(std::string_view bytes, const std::string& name, int64_t at_least, PixelNotes& notes) {
  std::unique_ptr<JpegReader>& jpeg = reader();
  try {
    return decode(*jpeg, bytes, name, at_least, notes);
  } catch (...) {
    jpeg.reset();  // it has stopped in the middle, and would go on there
    throw;
  }
}

}  // namespace ddls::tensor
