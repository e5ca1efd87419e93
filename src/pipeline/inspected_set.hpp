#pragma once
// A set of any kind as `inspect` looks at it: every kind that evaluate or a configuration can name, told apart by what
// is there.
#include <ATen/core/Tensor.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/blocks.hpp"
#include "base/json.hpp"
#include "data/file_kind.hpp"
#include "pipeline/set_tally.hpp"

namespace ddls::pipeline {

struct InspectedSet {
  std::string kind, name;
  int64_t count = 0;                               // 0: statistics only
  std::vector<int64_t> shape;                      // of every sample, where one array holds them
  std::function<std::vector<Seen>(IdRange)> look;  // thread safe; damage is told, not thrown
  std::function<std::string(int64_t)> name_of;     // file or row
  at::Tensor labels;                               // [count] int64; undefined where there are none
  std::vector<std::string> class_names;
  std::string unlabelled;
  std::optional<data::LeftOut> left_out;  // of folders and archives
  Json more = {};                         // what else this kind has to tell
};

// Folder of images, tar archives, samples folder, CIFAR-10, .npz, .npy, idx, statistics. Throws Error: missing, data.
InspectedSet open_inspected_set(const std::string& path);

}  // namespace ddls::pipeline
