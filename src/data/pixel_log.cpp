#include "data/pixel_log.hpp"

#include <fmt/format.h>

#include <span>

#include "base/files.hpp"
#include "base/log.hpp"

namespace ddls::data {
namespace {

const char* name_of(tensor::Alpha alpha) {
  return alpha == tensor::Alpha::drop ? "drop" : alpha == tensor::Alpha::black ? "black" : "white";
}

constexpr const char* others = "the other images of its set are read likewise";

}  // namespace

std::string PixelLog::text(int kind) const {
  switch (kind) {
    case transparent:
      if (rules_.alpha != tensor::Alpha::drop)
        return fmt::format("its transparency is laid over {}", name_of(rules_.alpha));
      return "its transparency is dropped, pixels have their stored colours (data.alpha: drop; or black, white)";
    case sixteen_bits:
      return "16 bits become 8 by round(v / 257)";
    case inks:
      return "CMYK becomes RGB without a colour profile";
    case turned:
      return rules_.apply_exif ? "it is turned as its EXIF orientation says"
                               : "its EXIF orientation is ignored (data.exif: ignore; or apply)";
    default:
      return "the file is not quite as it should be, but no pixel is concerned";
  }
}

void PixelLog::add(const tensor::PixelNotes& notes, const std::string& name) {
  const std::array<bool, kinds> met{notes.transparent, notes.sixteen_bits, notes.inks, notes.orientation != 1,
                                    !notes.oddity.empty()};
  for (int kind = 0; kind < kinds; ++kind) {
    if (!met[kind] || !first(kind)) continue;
    const std::string detail = kind == odd ? fmt::format(" ({})", notes.oddity) : "";
    log::info("'{}': {}{}; {}", name, text(kind), detail, others);
  }
}

void PixelLog::add_elsewhere(uint8_t met, const std::string& name) {
  for (int kind = 0; kind < kinds; ++kind)
    if ((met >> kind & 1) != 0 && first(kind)) log::info("an image of {}: {}; {}", name, text(kind), others);
}

uint8_t PixelLog::met() const {
  int bits = 0;
  for (int kind = 0; kind < kinds; ++kind) bits |= said_[kind].load() ? 1 << kind : 0;
  return static_cast<uint8_t>(bits);
}

std::vector<std::string> PixelLog::words(uint8_t met) const {
  const std::array<std::string, kinds> all{fmt::format("transparency: {}", name_of(rules_.alpha)),
                                           "16 bits: round(v / 257)", "CMYK: to RGB",
                                           fmt::format("EXIF orientation: {}", rules_.apply_exif ? "apply" : "ignore"),
                                           "warnings of the decoder that concern no pixel"};
  std::vector<std::string> words;
  for (int kind = 0; kind < kinds; ++kind)
    if ((met >> kind & 1) != 0) words.push_back(all[kind]);
  return words;
}

uint64_t rules_digest(const tensor::PixelRules& rules, uint64_t digest) {
  if (rules == tensor::PixelRules{}) return digest;
  const std::array<uint8_t, 2> words{static_cast<uint8_t>(rules.alpha), static_cast<uint8_t>(rules.apply_exif)};
  return hash64(std::as_bytes(std::span(words)), digest);
}

}  // namespace ddls::data
