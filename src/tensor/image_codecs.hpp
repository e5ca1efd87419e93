#pragma once
// PNG and JPEG between memory and interleaved pixels; image_io.hpp is what others use.
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "tensor/pixel_rules.hpp"

namespace ddls::tensor {

bool looks_like_png(std::string_view bytes);
bool looks_like_jpeg(std::string_view bytes);

// uint8 [height, width, channels] with 1 (grey) or 3 (RGB) channels, as stored: not turned. `notes` is added to. Throw
// Error(data) that begins with `name`. `at_least`: see decode_image.
at::Tensor decode_png(std::string_view bytes, const std::string& name, Alpha alpha, PixelNotes& notes);
at::Tensor decode_jpeg(std::string_view bytes, const std::string& name, int64_t at_least, PixelNotes& notes);

// `pixels`: uint8 [height, width, 1 or 3], contiguous.
std::string encode_png_pixels(const at::Tensor& pixels);

}  // namespace ddls::tensor
