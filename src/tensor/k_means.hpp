#pragma once
// k-means (Lloyd 1982) from starts that are spread out (Arthur, Vassilvitskii 2007). float64 on the CPU, one process;
// the randomness is the caller's.
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace ddls::tensor {

// [k, d]: the best of the starts by the sum of squared distances, each after at most so many rounds. points [n, d]
// float64, n >= 1; uniforms [starts, k] float64 in (0, 1). Where fewer than k points differ, centres coincide.
at::Tensor k_means(const at::Tensor& points, const at::Tensor& uniforms, int64_t rounds);

// [n, k]: squared distances of rows of any floating type.
at::Tensor squares_between(const at::Tensor& points, const at::Tensor& centres);

// [n] int64: of each row the nearest centre, of equally near ones the first.
at::Tensor nearest_centre(const at::Tensor& points, const at::Tensor& centres);

}  // namespace ddls::tensor
