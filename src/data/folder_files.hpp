#pragma once
// Which files of a folder are the images of a set, and what is left out (file_kind.hpp has the rule).
#include <cstdint>
#include <filesystem>
#include <vector>

#include "data/file_kind.hpp"

namespace ddls::data {

struct LabelledFile {
  std::filesystem::path path;
  int64_t label = -1;  // number of the class folder, or as dataset.json has it
};

struct FolderFiles {
  std::vector<LabelledFile> files;       // sorted by path, class after class
  std::vector<std::string> class_names;  // names of the class folders, sorted; empty for a flat folder
  LeftOut left_out;
};

// A flat folder, or one sub-folder per class, which is searched to any depth; or any folders with a dataset.json
// (dataset_json.hpp). Links are followed. Throws Error: missing (no
// such folder; links that lead nowhere), data (no images, a class without images, an image without a label in
// dataset.json, a link that leads back to a folder it lies in), runtime.
FolderFiles list_image_folder(const std::filesystem::path& folder);

}  // namespace ddls::data
