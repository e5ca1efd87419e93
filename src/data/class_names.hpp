#pragma once
// A class is its name. A set numbers its classes by itself (class folders by their order), so numbers of two sets may
// only be compared after their names have been.
#include <ATen/core/Tensor.h>

#include <filesystem>
#include <string>
#include <vector>

namespace ddls::data {

using ClassNames = std::vector<std::string>;  // of class i; empty: the classes are the numbers themselves

// As names are compared: as text (json_text.hpp), and where all are whole numbers as these numbers ("007" is "7"), so
// that they are the classes of sets with plain numbers; unless two would become one.
ClassNames names_to_compare(ClassNames names);
std::string class_name(const ClassNames& names, int64_t label);
// What a run notes beside its samples (manifest.json, "class_names"). Empty: `samples` is no such file, or there are
// none.
ClassNames class_names_beside(const std::filesystem::path& samples);

std::vector<int64_t> classes_with_samples(const at::Tensor& labels);  // of [N] int64; ascending
// "0, 27 to 99", at most a dozen such parts.
std::string list_of_classes(const std::vector<int64_t>& classes, const ClassNames& names);

struct LabelledSet {
  std::string name;   // for messages
  at::Tensor labels;  // [N] int64, defined
  ClassNames class_names;
};

// Two sets under one numbering.
struct MatchedClasses {
  at::Tensor first, second;  // [N] int64, the labels of each
  ClassNames names;          // empty: both had plain numbers, which are as they were
  std::string remark;        // what a person must be told; empty: all classes have samples in both sets
};

// By name. A set of plain numbers against class folders with words for names: number i is the i-th folder in sorted
// order, as ours and torchvision's numbering have it, and the remark says so. Classes of one set alone are left to the
// caller and named in the remark. Throws Error(data): no class in common, numbers beyond the folders, numbers from 0
// against numbers from 1.
MatchedClasses match_classes(const LabelledSet& first, const LabelledSet& second);

}  // namespace ddls::data
