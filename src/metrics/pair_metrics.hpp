#pragma once
// Metrics over pairs of features: KID and PRDC, sharded over the ranks. Results do not depend on the rank count (KID: to
// rounding of float64 sums; PRDC: exactly). **Collective.**
#include <ATen/core/Tensor.h>

#include "config/config.hpp"
#include "metrics/inception_score.hpp"
#include "metrics/prdc.hpp"
#include "metrics/feature_blocks.hpp"

namespace ddls {

double kernel_sum_within(Communicator& comm, const FeatureBlocks& set);  // over ordered pairs of different rows

// `real_within`: kernel_sum_within of the real set, which several fakes share.
double kid_unbiased(Communicator& comm, const FeatureBlocks& fake, const FeatureBlocks& real, double real_within);

// subset_size is at most the smaller set.
MeanStd kid_by_subsets(Communicator& comm, const FeatureBlocks& fake, const FeatureBlocks& real,
                       const KidConfig& config);

// [count] float32: distance of each row to its k-th neighbour in its own set.
at::Tensor neighbour_radii(Communicator& comm, const FeatureBlocks& set, int64_t k);

// The radii are those of neighbour_radii(k).
Prdc prdc_of(Communicator& comm, const FeatureBlocks& fake, const FeatureBlocks& real, const at::Tensor& fake_radii,
             const at::Tensor& real_radii, int64_t k);

}  // namespace ddls
