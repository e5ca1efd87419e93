#pragma once
// The one entry of EXIF that concerns pixels.
#include <optional>
#include <string_view>

#include "tensor/pixel_rules.hpp"

namespace ddls::tensor {

// `tiff`: an EXIF block, with or without the "Exif" before its byte order mark. 1 to 8; 1 where it says nothing, or
// nothing that the standard knows. Nothing at all where the block cannot be read.
std::optional<int> exif_orientation(std::string_view tiff);

// Takes it into the notes; a block that cannot be read is an oddity.
void note_exif(std::string_view tiff, PixelNotes& notes);

}  // namespace ddls::tensor
