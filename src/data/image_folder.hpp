#pragma once
// A folder of PNG and JPEG files, flat, or one sub-folder per class (searched to any depth), or with the labels in a
// dataset.json (dataset_json.hpp), which makes its sub-folders mere storage.
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "data/file_kind.hpp"
#include "data/lazy_images.hpp"

namespace ddls::data {

struct ImageFolder {
  at::Tensor images;  // uint8 [N, C, H, W], in the order of the sorted paths
  at::Tensor labels;  // int64 [N], numbers of the sorted class folders; undefined for a flat folder
  int64_t damaged = 0;
  std::vector<std::string> class_names;  // of the class folders
  LeftOut left_out;
};

// Decodes with as many threads as torch uses; the result and the error reported do not depend on their
// number. Throws Error: missing (no such folder), data (no images, a class without images, a damaged or
// odd-sized file).
ImageFolder read_image_folder(const std::filesystem::path& folder, const DecodeOptions& options);

// The same files and labels, to be read one at a time. Damage comes to light when they are decoded.
struct FolderSource {
  std::shared_ptr<const ImageSource> images;
  at::Tensor labels;
  std::vector<std::string> class_names;  // of the class folders
  LeftOut left_out;
};
FolderSource open_image_folder(const std::filesystem::path& folder);

}  // namespace ddls::data
