#pragma once
// Feature networks as TorchScript (interface.md, "Feature extractors"): forward(uint8 NCHW) -> (features [N, F], logits
// [N, C]), C may be 0.
#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <filesystem>
#include <functional>
#include <string>

namespace ddls {

struct Features {
  at::Tensor features;  // [n, F] float32
  at::Tensor logits;    // [n, C] float32
};

struct Extractor {
  std::string name, sha256;
  int64_t features = 0, classes = 0;
  std::function<Features(const at::Tensor& images_u8)> extract;  // frozen, no gradients
};

// Throws Error: missing, or data (not TorchScript, fails on an image of `sample_shape`, wrong outputs), naming the file.
Extractor load_extractor(const std::filesystem::path& file, const std::vector<int64_t>& sample_shape,
                         c10::Device device);

}  // namespace ddls
