#pragma once
// From a stored image to what the discriminator is shown, random parts included. What happens to an image depends on
// (seed, position in the training order) alone.
#include <cstdint>
#include <optional>
#include <vector>

namespace ddls::data {

struct Augment {
  uint64_t seed = 0;
  bool flip = false;         // mirrored left to right with probability 1/2
  bool dequantise = false;   // u/128 - 1 + U(0, 1/128) (docs/algorithm.md, section 6); otherwise u/127.5 - 1
  bool random_crop = false;  // the square anywhere along the longer side; otherwise in the centre

  // Where the square lies (fit_image.hpp); nothing for the centre.
  std::optional<double> crop_place(int64_t position) const;
  // `in`: uint8 [C, H, W] of `shape`; `out`: as many float32.
  void apply(const uint8_t* in, const std::vector<int64_t>& shape, int64_t position, float* out) const;
};

}  // namespace ddls::data
