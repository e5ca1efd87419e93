#pragma once
// Feature networks (docs/formats.md, section 9), .pt2 archives (tensor/pt2_extractor.hpp) or TorchScript:
// forward(uint8 NCHW) -> (features [N, F], logits [N, C]), C may be 0; or NVIDIA's convention: forward(img,
// return_features=True) -> [N, F], without it probabilities.
#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "metrics/resize.hpp"

namespace ddls::metrics {

struct Features {
  at::Tensor features;  // [n, F] float32
  at::Tensor logits;    // [n, C] float32; undefined where they were not asked for
};

// What the i-th of some images is called: "image 17 of cats".
using ImageName = std::function<std::string(int64_t i)>;

struct Extractor {
  std::string name, sha256;
  int64_t features = 0, classes = 0;
  Resize resize = {};  // what becomes of images before the network has them
  // Runs the network; `extract` checks what comes out.
  std::function<Features(const at::Tensor& images_u8, bool logits)> run;

  // uint8 [n, C, H, W] on any device, or what `resize` made of them; results on the CPU. Frozen, no gradients. Grey
  // images are repeated over three channels where the network takes only colour. `logits` may cost a second pass
  // (NVIDIA). Throws Error(data): the network fails on these images, or gives values that are not finite numbers, of
  // which the first is named by `name_of`.
  Features extract(const at::Tensor& images_u8, bool logits, const ImageName& name_of = {}) const;
};

// `sample_shape`: C, H, W of the images to try it on. Throws Error naming the file, the cause and the cure: missing, or
// data (neither, fails on such images or on its own self-test, wrong outputs, no function of each image alone:
// network_probe.hpp), config (an archive for another kind of device; a resize to a size that neither the configuration
// nor the file says: an archive's `size`, a script's attribute `input_size`).
Extractor load_extractor(const std::filesystem::path& file, std::vector<int64_t> sample_shape, c10::Device device,
                         Resize resize = {});

}  // namespace ddls::metrics
