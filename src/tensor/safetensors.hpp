#pragma once
// The safetensors format: u64 header length, JSON header (padded with spaces to 8 bytes), raw little-endian tensors.
// Metadata is a map of strings; ours holds "xxh3", a hash of the data part, which is verified on reading when present.
#include <ATen/core/Tensor.h>

#include <filesystem>
#include <map>
#include <string>

#include "tensor/npz.hpp"

namespace ddls::tensor {

struct SafeTensors {
  NamedTensors tensors;  // CPU, contiguous
  std::map<std::string, std::string> metadata;
};

// Throws Error: missing, or data (truncated, wrong hash, overlapping or out-of-range offsets, unknown dtype), naming
// the file.
SafeTensors read_safetensors(const std::filesystem::path& path);
// Complete or absent.
void write_safetensors(const std::filesystem::path& path, const NamedTensors& tensors,
                       const std::map<std::string, std::string>& metadata = {});

}  // namespace ddls::tensor
