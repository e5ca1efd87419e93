#pragma once
// Data sets stored as arrays: uint8 [N, H, W, C] images or float32 [N, d] points, and int64 [N] labels, if any: arr_0 and
// arr_1 of an .npz, or a .npy file each.
#include <filesystem>

#include "data/dataset.hpp"

namespace ddls {

// Throws Error: missing, data (names file and array).
Dataset read_npz_set(const std::filesystem::path& path);
Dataset read_npy_set(const std::filesystem::path& path, const std::filesystem::path& labels);  // labels may be empty

}  // namespace ddls
