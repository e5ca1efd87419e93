#include "tensor/exif.hpp"

#include <cstddef>
#include <cstdint>

namespace ddls::tensor {
namespace {

// Numbers in the byte order of the block. Reading behind its end gives nothing.
class Tiff {
 public:
  explicit Tiff(std::string_view bytes) : bytes_(bytes), little_(bytes.starts_with("II")) {}

  std::optional<uint32_t> number(size_t at, size_t width) const {
    if (at > bytes_.size() || bytes_.size() - at < width) return std::nullopt;
    uint32_t value = 0;
    for (size_t i = 0; i < width; ++i) {
      const size_t place = little_ ? at + width - 1 - i : at + i;
      value = value << 8 | static_cast<unsigned char>(bytes_[place]);
    }
    return value;
  }

 private:
  std::string_view bytes_;
  bool little_;
};

constexpr uint32_t orientation_tag = 0x0112;

size_t width_of(uint32_t type) { return type == 1 ? 1 : type == 3 ? 2 : type == 4 ? 4 : 0; }  // BYTE, SHORT, LONG

}  // namespace

std::optional<int> exif_orientation(std::string_view tiff) {
  constexpr std::string_view mark("Exif\0\0", 6);
  if (tiff.starts_with(mark)) tiff.remove_prefix(mark.size());
  if (!tiff.starts_with("II") && !tiff.starts_with("MM")) return std::nullopt;
  const Tiff block(tiff);
  const auto magic = block.number(2, 2), directory = block.number(4, 4);
  if (magic != 42U || !directory) return std::nullopt;
  const auto entries = block.number(*directory, 2);
  if (!entries) return std::nullopt;
  for (size_t i = 0; i < *entries; ++i) {
    const size_t entry = *directory + 2 + 12 * i;
    const auto tag = block.number(entry, 2), type = block.number(entry + 2, 2);
    if (!tag || !type) return std::nullopt;
    if (*tag != orientation_tag) continue;
    const size_t width = width_of(*type);
    const auto value = width == 0 ? std::nullopt : block.number(entry + 8, width);
    if (!value) return std::nullopt;
    return *value >= 1 && *value <= 8 ? static_cast<int>(*value) : 1;
  }
  return 1;
}

void note_exif(std::string_view tiff, PixelNotes& notes) {
  const std::optional<int> orientation = exif_orientation(tiff);
  notes.orientation = orientation.value_or(1);
  if (!orientation && notes.oddity.empty()) notes.oddity = "its EXIF data cannot be read";
}

}  // namespace ddls::tensor
