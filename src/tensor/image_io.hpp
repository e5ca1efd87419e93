#pragma once
// Images as uint8 tensors [channels, height, width], CPU. JPEG by libjpeg-turbo, PNG by libpng.
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "tensor/pixel_rules.hpp"

namespace ddls::tensor {

// Reads PNG or JPEG (told apart by content): the samples as they are stored, whatever colour profiles and gamma a file
// names. `channels` 1 or 3 converts; 0 keeps grey or colour. CMYK becomes RGB, 16 bits become 8 by round(v / 257).
// Transparency and EXIF orientation: `rules`. Throws Error: missing (no file), data (names the file: damaged,
// truncated, no PNG or JPEG). Whatever libjpeg warns about counts as damage where it concerns a pixel, else it is
// noted. With `at_least` > 0 a JPEG is decoded at the smallest of the scales 1, 1/2, 1/4, 1/8 that leaves its short
// side at least so long (by a smaller cosine transform, which costs less); a PNG always comes whole.
at::Tensor read_image(const std::filesystem::path& path, int64_t channels = 0, int64_t at_least = 0,
                      const PixelRules& rules = {}, PixelNotes* notes = nullptr);
// The same from memory; `name` stands for the file in messages. May be called in several threads at once.
at::Tensor decode_image(std::string_view bytes, int64_t channels, const std::string& name, int64_t at_least = 0,
                        const PixelRules& rules = {}, PixelNotes* notes = nullptr);

// Does a PNG hold transparency, or gamma or a colour profile, which change nothing here but do in other readers?
bool png_is_more_than_samples(std::string_view bytes);

std::string encode_png(const at::Tensor& image);  // bytes of a PNG file

// [..., C, H, W] uint8 with 1 or 3 channels to the other number: grey is repeated, colour becomes luma (Rec.
// 601).
at::Tensor with_channels(const at::Tensor& images, int64_t channels);

// Images [N, C, H, W] uint8 -> one image [C, rows*H + gaps, columns*W + gaps], row by row, `gap` pixels of
// `shade` between; cells without an image are `shade`.
at::Tensor image_grid(const at::Tensor& images, int64_t columns, int64_t gap = 2, uint8_t shade = 255);

// The one quantisation of the program: clip(floor(127.5 x + 128), 0, 255); -1 -> 0, 0 -> 128, 1 -> 255
// (docs/algorithm.md, equation 47).
at::Tensor quantise(const at::Tensor& images);
// uint8 -> float32 in [-1, 1]: u / 127.5 - 1.
at::Tensor dequantise(const at::Tensor& images_u8);

}  // namespace ddls::tensor
