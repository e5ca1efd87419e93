#pragma once
// Data sets stored as .npz: arr_0 uint8 [N, H, W, C] images or float32 [N, d] points; arr_1 int64 [N] labels,
// if any.
#include <filesystem>

#include "data/dataset.hpp"

namespace ddls {

// Throws Error: missing, data (names file and array).
Dataset read_npz_set(const std::filesystem::path& path);

}  // namespace ddls
