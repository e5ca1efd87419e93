#pragma once
// Data sets stored as arrays: uint8 [N, H, W, C] images or [N, d] points of a floating-point type (float32 in memory),
// and labels, if any: whole numbers of any type, [N] or [N, 1]. They are arr_0 and arr_1 of an .npz, whose other arrays
// are not looked at, or a .npy file each.
#include <filesystem>

#include "base/blocks.hpp"
#include "data/dataset.hpp"
#include "tensor/npz.hpp"

namespace ddls::data {

// Throws Error: missing, data (names file and array).
Dataset read_npz_set(const std::filesystem::path& path);
Dataset read_npy_set(const std::filesystem::path& path, const std::filesystem::path& labels);  // labels may be empty

// The set of read_npz_set left in its file (tensor/npz.hpp): samples are read, and checked, when they are asked for.
class NpzSetFile {
 public:
  explicit NpzSetFile(const std::filesystem::path& path);  // throws Error: missing, data
  int64_t size() const { return samples_.sizes().front(); }
  std::vector<int64_t> shape() const;                   // of a sample: [C, H, W] or [d]
  const at::Tensor& labels() const { return labels_; }  // undefined where there are none
  const ClassNames& class_names() const { return class_names_; }
  at::Tensor rows(IdRange ids) const;  // as Dataset::samples. Thread safe. Throws Error(data).

 private:
  NpzSetFile(const std::filesystem::path& path, bool labelled);

  std::string where_;
  tensor::NpzArray samples_;
  at::Tensor labels_;
  ClassNames class_names_;
};

}  // namespace ddls::data
