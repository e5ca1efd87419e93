#pragma once
// The principal components of the discriminator's features among prior draws: directions, fixed for a run, along which
// the diagnostics follow the chains. Features are what the discriminator's last layer takes.
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>

#include "ddls/target.hpp"
#include "tensor/noise.hpp"

namespace ddls::sampling {

struct FeatureComponents {
  at::Tensor mean, directions;  // [f]; [f, c], orthonormal columns, the most varied first; float32

  int64_t count() const { return directions.size(1); }
  at::Tensor of(const at::Tensor& features) const;  // [n, f] -> [n, c]
};

// Of rows [n, f], n > 1. At most `most`; those along which the rows hardly vary (a standard deviation below 1e-6 of the
// first one's) are left out, so c may be less, also 0. The sign is such that the largest entry of a direction is
// positive.
FeatureComponents principal_components(const at::Tensor& rows, int64_t most);

// The same of many rows, n > f or so: through their covariance, at the cost of half the digits of the least varied.
FeatureComponents principal_components_of_many(const at::Tensor& rows, int64_t most);

// Of 64 prior draws of the target: every process gets the same. Nothing where the target gives no features.
std::optional<FeatureComponents> feature_components(const Target& target, const tensor::Noise& noise);

}  // namespace ddls::sampling
