#pragma once
// Images in tar archives, for sets that no memory holds: the headers are read once, the images when they are needed.
//
// Two layouts. WebDataset: members KEY.jpg (.jpeg, .png) with the label in KEY.cls (a number) or KEY.json ("label" or
// "cls"), KEY being the path up to the first dot of its last part. Class folders, where there is neither .cls nor .json:
// a member's class is the first folder of its path behind the folders that all images share; images without such a
// folder have no labels. Ids: archives by name, members in their order there. Other members are passed over.
#include <ATen/core/Tensor.h>

#include <filesystem>
#include <memory>

#include "data/image_source.hpp"

namespace ddls {

struct TarSet {
  std::shared_ptr<const ImageSource> images;
  at::Tensor labels;    // [N] int64 or undefined
  int64_t damaged = 0;  // places where an archive or a label was given up (skip_damaged)
};

// `path`: an archive (.tar, .tar.gz, .tgz), a folder of archives, or a folder inside an archive: "a.tar.gz/cifar/train".
// With `skip_damaged`, what follows damage in an archive is left out with a warning. Throws Error: missing, data.
TarSet open_tar_set(const std::filesystem::path& path, bool skip_damaged);

// Does the path lead to or into an existing archive, or to a folder that holds some?
bool is_tar_set(const std::filesystem::path& path);

}  // namespace ddls
