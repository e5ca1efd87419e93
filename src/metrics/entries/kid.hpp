#pragma once
// Kernel Inception Distance (Binkowski et al. 2018): the squared MMD with the kernel (x.y/F + 1)^3, unbiased, so it may
// be negative and is never clipped. Products are float32, everything summed is float64.
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "metrics/feature_blocks.hpp"
#include "metrics/mean_std.hpp"

namespace ddls::metrics {

// Sum of the kernel over all pairs of a row of x [m, F] and a row of y [n, F], float32.
double kernel_sum(const at::Tensor& x, const at::Tensor& y);
// The same over ordered pairs of different rows of x.
double kernel_sum_off_diagonal(const at::Tensor& x);

// The three sums over whole sets of m and n rows: xx and yy over ordered pairs of different rows, xy over all pairs.
struct KernelSums {
  double xx = 0, yy = 0, xy = 0;
};
double squared_mmd(const KernelSums& sums, int64_t m, int64_t n);

// Subset protocol of torch-fidelity: 100 subsets of min(1000, m, n) rows of either set, drawn without replacement from
// one RandomState(2020), first from the fake set, then from the real one.
inline constexpr int64_t kid_subsets = 100, kid_subset_size = 1000;
struct KidOptions {
  int64_t subsets = kid_subsets, subset_size = kid_subset_size;
};
struct KidSubset {
  at::Tensor fake, real;  // row numbers, [size] int64
};
std::vector<KidSubset> draw_kid_subsets(int64_t fake_count, int64_t real_count, int64_t subsets = kid_subsets,
                                        int64_t size = kid_subset_size);

// The next two are sharded over the ranks; results depend on the rank count by the rounding of float64 sums alone.
// **Collective.**

double kernel_sum_within(dist::Communicator& comm, const FeatureBlocks& set);  // over ordered pairs of different rows

struct Kid {
  double unbiased = 0;  // over all pairs
  MeanStd subsets;
};
// `real_within`: kernel_sum_within of the real set, which several fakes share. subset_size is at most the smaller set.
Kid kid_of(dist::Communicator& comm, const FeatureBlocks& fake, const FeatureBlocks& real, double real_within,
           const KidOptions& options);

}  // namespace ddls::metrics
