#pragma once
// JPEG files for tests.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>
// after <cstdio>, which it needs
#include <jpeglib.h>

namespace ddls::test {

struct JpegForm {
  J_COLOR_SPACE colours = JCS_RGB;     // of the pixels
  J_COLOR_SPACE stored = JCS_UNKNOWN;  // in the file; unknown: as libjpeg chooses
  bool subsampled = false, progressive = false;
  int restart = 0;  // MCUs between restart markers
  int quality = 100;
};

// `pixels`: interleaved.
inline std::string jpeg_of(const std::vector<uint8_t>& pixels, int width, int height, const JpegForm& form = {}) {
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* buffer = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &buffer, &size);
  info.image_width = static_cast<JDIMENSION>(width);
  info.image_height = static_cast<JDIMENSION>(height);
  info.input_components = static_cast<int>(pixels.size()) / (width * height);
  info.in_color_space = form.colours;
  jpeg_set_defaults(&info);
  if (form.stored != JCS_UNKNOWN) jpeg_set_colorspace(&info, form.stored);
  jpeg_set_quality(&info, form.quality, TRUE);
  for (int c = 0; c < info.num_components; ++c) {
    const int factor = form.subsampled && (c == 0 || c == 3) ? 2 : 1;
    info.comp_info[c].h_samp_factor = info.comp_info[c].v_samp_factor = factor;
  }
  info.restart_interval = static_cast<unsigned>(form.restart);
  if (form.progressive) jpeg_simple_progression(&info);
  jpeg_start_compress(&info, TRUE);
  const auto row_bytes = static_cast<size_t>(width * info.input_components);
  while (info.next_scanline < info.image_height) {
    JSAMPROW row = const_cast<JSAMPROW>(pixels.data() + info.next_scanline * row_bytes);
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  std::string bytes(reinterpret_cast<char*>(buffer), size);
  jpeg_destroy_compress(&info);
  std::free(buffer);
  return bytes;
}

}  // namespace ddls::test
