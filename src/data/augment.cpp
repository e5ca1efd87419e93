#include "data/augment.hpp"

#include <algorithm>

#include "base/files.hpp"
#include "base/philox.hpp"

namespace ddls::data {
namespace {

// Philox keyed by (seed, kind of draw) with counter (word, position).
class Draws {
 public:
  Draws(uint64_t seed, std::string_view kind, int64_t position)
      : key_{static_cast<uint32_t>(hash64(kind, seed)), static_cast<uint32_t>(hash64(kind, seed) >> 32)},
        low_(static_cast<uint32_t>(position)),
        high_(static_cast<uint32_t>(static_cast<uint64_t>(position) >> 32)) {}
  PhiloxCounter words(uint32_t index) const { return philox4x32({index, low_, high_, 0}, key_); }

 private:
  PhiloxKey key_;
  uint32_t low_, high_;
};

constexpr uint32_t word_flip = 0, word_crop = 1;

void scale(const uint8_t* in, int64_t count, float* out) {
  for (int64_t i = 0; i < count; ++i) out[i] = static_cast<float>(in[i]) / 127.5F - 1.0F;
}

void scale_with_noise(const uint8_t* in, int64_t count, const Draws& draws, float* out) {
  for (int64_t i = 0; i < count; i += 4) {
    const PhiloxCounter words = draws.words(static_cast<uint32_t>(i / 4));
    const int64_t n = std::min<int64_t>(4, count - i);
    for (int64_t k = 0; k < n; ++k) {
      // 15 bits of noise and 8 before the point are what a float32 holds below 256, so the sum never reaches 256.
      const auto u = (static_cast<float>(words[static_cast<size_t>(k)] >> 17) + 0.5F) * 0x1p-15F;
      out[i + k] = (static_cast<float>(in[i + k]) + u) / 128.0F - 1.0F;
    }
  }
}

void mirror(const std::vector<int64_t>& shape, float* image) {
  for (int64_t row = 0; row < shape[0] * shape[1]; ++row, image += shape[2]) std::reverse(image, image + shape[2]);
}

}  // namespace

std::optional<double> Augment::crop_place(int64_t position) const {
  if (!random_crop) return std::nullopt;
  return static_cast<double>(Draws(seed, "image", position).words(0)[word_crop]) * 0x1p-32;
}

void Augment::apply(const uint8_t* in, const std::vector<int64_t>& shape, int64_t position, float* out) const {
  const int64_t count = shape[0] * shape[1] * shape[2];
  if (dequantise)
    scale_with_noise(in, count, Draws(seed, "pixels", position), out);
  else
    scale(in, count, out);
  if (flip && Draws(seed, "image", position).words(0)[word_flip] >> 31 != 0) mirror(shape, out);
}

}  // namespace ddls::data
