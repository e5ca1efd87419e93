#pragma once
// Images as uint8 tensors [channels, height, width], CPU. JPEG by libjpeg-turbo, PNG by libpng.
#include <ATen/core/Tensor.h>

#include <filesystem>
#include <string>

namespace ddls {

// Reads PNG or JPEG (told apart by content). `channels` 1 or 3 converts; 0 keeps grey or colour (alpha over black is
// dropped, CMYK becomes RGB, 16 bit becomes 8). Throws Error(data) that names the file if it is damaged.
at::Tensor read_image(const std::filesystem::path& path, int64_t channels = 0);

std::string encode_png(const at::Tensor& image);   // bytes of a PNG file
void write_png(const std::filesystem::path& path, const at::Tensor& image);

// Images [N, C, H, W] uint8 -> one image [C, rows*H + gaps, columns*W + gaps], row by row, `gap` pixels of `shade` between.
at::Tensor image_grid(const at::Tensor& images, int64_t columns, int64_t gap = 2, uint8_t shade = 255);

// The one quantisation of the program: clip(floor(127.5 x + 128), 0, 255); -1 -> 0, 0 -> 128, 1 -> 255 (algorithm.md 6).
at::Tensor quantise(const at::Tensor& images);
// uint8 -> float32 in [-1, 1]: u / 127.5 - 1.
at::Tensor dequantise(const at::Tensor& images_u8);

}  // namespace ddls
