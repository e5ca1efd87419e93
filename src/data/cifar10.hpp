#pragma once
// The binary version of CIFAR-10: records of one label and 3 x 32 x 32 bytes (red, green, blue plane).
#include <ATen/core/Tensor.h>

#include <filesystem>

namespace ddls::data {

struct Cifar10 {
  at::Tensor images;  // uint8 [N, 3, 32, 32]
  at::Tensor labels;  // int64 [N], 0 ... 9
};

// `path`: one .bin file, or the folder cifar-10-batches-bin: its data_batch_*.bin in the order of their names, or its
// test_batch.bin (`test`). Throws Error: missing, data (names the file: truncated, label out of range).
Cifar10 read_cifar10(const std::filesystem::path& path, bool test);

}  // namespace ddls::data
