#pragma once
// Images in tar archives, for sets that no memory holds: the headers are read once, the images when they are needed.
//
// A dataset.json (dataset_json.hpp) in each archive has the word on labels. Else two layouts. WebDataset: members
// KEY.jpg (.jpeg, .png) with the label in KEY.cls (a number) or KEY.json ("label" or "cls"), KEY being the path up to
// the first dot of its last part. Class folders, where there is neither .cls nor .json: a member's class is the first
// folder of its path behind the folders that all images share; images without such a folder have no labels. Ids:
// archives by name, members in their order there. What else is there is counted (file_kind.hpp).
//
// A label that cannot be read, or that only some images have, does not end the run: the set has no labels then, and
// `unlabelled` says why, for whoever needs them. A label given as text is the name of a class; classes are numbered by
// their sorted names. Two images of one sample are refused.
#include <ATen/core/Tensor.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "data/file_kind.hpp"
#include "data/image_source.hpp"

namespace ddls::data {

struct TarSet {
  std::shared_ptr<const ImageSource> images;
  at::Tensor labels;                     // [N] int64 or undefined
  std::vector<std::string> class_names;  // their names, where labels have names
  std::string unlabelled;                // why there are no labels though there is something like them; else empty
  LeftOut left_out;
  int64_t damaged = 0;  // places where an archive or a label was given up (skip_damaged)
};

// `path`: an archive (.tar, .tar.gz, .tgz), a folder of archives, or a folder inside an archive:
// "a.tar.gz/cifar/train". With `skip_damaged`, what follows damage in an archive is left out with a warning. Throws
// Error: missing (also a link among the archives that leads nowhere), data (also archives of another compression, two
// images of one sample).
TarSet open_tar_set(const std::filesystem::path& path, bool skip_damaged);

// Does the path lead to or into an existing archive, or to a folder that holds some? Throws Error as open_tar_set does.
bool is_tar_set(const std::filesystem::path& path);

}  // namespace ddls::data
