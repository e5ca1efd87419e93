#pragma once
// How an image file stores its pixels, by its header alone.
#include <string>
#include <string_view>
#include <vector>

namespace ddls::tensor {

struct ImageHeader {
  std::string format;  // "PNG 8-bit RGB", "PNG 16-bit grey", "PNG 4-bit palette", "JPEG YCbCr", ...
  std::vector<std::string>
      conversions;  // on the way to 8-bit grey or RGB: "16_bit", "alpha", "palette", "low_bit_depth", "cmyk"
};

// "unknown" for what is neither PNG nor JPEG, or is cut within its header.
ImageHeader image_header(std::string_view bytes);

}  // namespace ddls::tensor
