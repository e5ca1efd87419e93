#pragma once
// The idx format of MNIST: big-endian magic and sizes, then raw bytes; plain or gzip-compressed (told apart
// by content).
#include <ATen/core/Tensor.h>

#include <filesystem>

namespace ddls::data {

// Throw Error: missing (no file), data (wrong magic, truncated, bytes left over, damaged gzip), naming the
// file.
at::Tensor read_idx_images(const std::filesystem::path& path);  // uint8 [N, 1, H, W]
at::Tensor read_idx_labels(const std::filesystem::path& path);  // int64 [N]

}  // namespace ddls::data
