#pragma once
// Which members of archives are images, and what their labels are (layouts: tar_set.hpp).
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "data/file_kind.hpp"
#include "data/tar_file.hpp"

namespace ddls::data {

struct TarImage {
  size_t archive = 0;  // index of its file
  std::string name;
  uint64_t offset = 0, size = 0;
};

struct LabelledImages {
  std::vector<TarImage> images;
  std::vector<int64_t> labels;           // one per image, or none at all
  std::vector<std::string> class_names;  // names of the classes 0, 1, ...; empty where labels are numbers
  std::string unlabelled;                // why there are no labels though there is something like them; else empty
  int64_t damaged = 0;                   // images left out because their label cannot be read (skip_damaged)
  LeftOut left_out;
};

// `indices[i]` is of `files[i]`. `inside`: only members below this folder; empty: all. Throws Error(data): an image
// that is a link, two images of one sample, several sets in one archive.
LabelledImages label_images(const std::vector<std::unique_ptr<TarFile>>& files, const std::vector<TarIndex>& indices,
                            const std::string& inside, bool skip_damaged);

}  // namespace ddls::data
