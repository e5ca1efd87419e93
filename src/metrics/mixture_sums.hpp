#pragma once
// A mixture of Gaussians of which the squared distances to rows are known: what FLD fits.
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace ddls::metrics {

// Sums over rows of `squares` ([n, M] float32, contiguous: squared distances to M centres). The Gaussians have equal
// weights and the variances exp(log_variances), [M] float64.
struct MixtureSums {
  double log_density = 0;  // without the constant -F/2 log(2 pi)
  at::Tensor shares;       // [M] float64: of the probability that the row comes from each Gaussian
  at::Tensor spreads;      // [M] float64: of that times the squared distance
};
MixtureSums mixture_sums(const at::Tensor& squares, const at::Tensor& log_variances, int64_t features);

}  // namespace ddls::metrics
