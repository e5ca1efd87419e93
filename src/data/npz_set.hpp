#pragma once
// Data sets stored as arrays: uint8 [N, H, W, C] images or float32 [N, d] points, and int64 [N] labels, if any: arr_0 and
// arr_1 of an .npz, or a .npy file each.
#include <filesystem>

#include "base/blocks.hpp"
#include "data/dataset.hpp"
#include "tensor/npz.hpp"

namespace ddls {

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
  at::Tensor rows(IdRange ids) const;                   // as Dataset::samples. Thread safe. Throws Error(data).

 private:
  NpzSetFile(const std::filesystem::path& path, bool labelled);

  std::string where_;
  NpzArray samples_;
  at::Tensor labels_;
};

}  // namespace ddls
