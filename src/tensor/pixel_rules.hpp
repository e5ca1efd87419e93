#pragma once
// How stored images become pixels (docs/data.md), and what was met on the way.
#include <string>

namespace ddls::tensor {

enum class Alpha { drop, black, white };  // transparent pixels: their stored colour, or laid over black or white

struct PixelRules {
  Alpha alpha = Alpha::drop;  // data.alpha
  bool apply_exif = false;    // data.exif: turn as the EXIF orientation says

  bool operator==(const PixelRules&) const = default;
};

// Of one image.
struct PixelNotes {
  bool transparent = false;  // some pixel is not opaque
  bool sixteen_bits = false;
  bool inks = false;    // CMYK or YCCK
  int orientation = 1;  // of EXIF, 1 to 8; 1: upright, or none given
  std::string oddity;   // the first thing in the file that is not as it should be and concerns no pixel
};

}  // namespace ddls::tensor
