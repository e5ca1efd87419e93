#pragma once
// What the kernels of noise_kernels.cu are given: read by the host's compiler and by NVRTC.
#include "base/counter_noise.hpp"

namespace ddls::device {

// Rows first .. first + count - 1 of noise, `dim` columns each.
struct KernelRows {
  uint64_t seed;
  int64_t first, count, dim, step;
  Stream stream;
};

constexpr unsigned threads_per_block = 256;

// One thread makes the four columns that share a call of Philox.
constexpr int64_t groups_of(const KernelRows& rows) { return (rows.dim + 3) / 4; }
constexpr int64_t blocks_of(const KernelRows& rows) {
  return (rows.count * groups_of(rows) + threads_per_block - 1) / threads_per_block;
}

}  // namespace ddls::device
