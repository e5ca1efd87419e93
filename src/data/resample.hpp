#pragma once
// Stored images at another size, as filters of the field make it (evaluate.resize). The whole image is stretched, also
// where the aspect changes.
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace ddls::data {

// area: what fit_image does, the share of each input pixel in an output pixel; larger by lines between pixel centres.
// The others are those of PIL's Image.resize: the support grows with the scale, so smaller images have no aliases;
// bicubic with a = -0.5, lanczos with 3 lobes.
enum class Filter { area, box, bilinear, bicubic, lanczos };

// uint8 [n, C, H, W] -> [n, C, height, width].
// rounded: uint8. Of PIL's filters the bytes that Pillow 13 makes of an 8-bit image: one axis after the other, rounded
//   and clipped to 0..255 in between, weights in 22 bits. area: rounded once.
// else: float32, neither rounded nor clipped, as PIL makes of mode F channel by channel; clean-fid's protocol.
// Not collective; the same bits at any number of threads.
at::Tensor resample(const at::Tensor& images, int64_t height, int64_t width, Filter filter, bool rounded);

}  // namespace ddls::data
