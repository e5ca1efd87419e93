#pragma once
// Few directions and few cells of a set: its principal components, and k-means. float64, one process, no randomness but
// Philox of a fixed seed.
#include <ATen/core/Tensor.h>

#include <cstdint>

#include "metrics/moments.hpp"

namespace ddls::metrics {

// Rows are mapped to (x - mean) directions.
struct Components {
  at::Tensor mean, directions;                  // [F], [F, d] float64
  at::Tensor of(const at::Tensor& rows) const;  // [n, F], any floating type -> [n, d] float64
};

// The `count` components of largest variance; all features as they are (no mean taken off) where there are no more.
Components principal_components(const GaussianStatistics& statistics, int64_t count);

// [k, d]: the best of ten starts. points [n, d] float64, n >= 1; where fewer than k differ, centres coincide.
at::Tensor k_means(const at::Tensor& points, int64_t k);

}  // namespace ddls::metrics
