#pragma once
// Precision, recall (Kynkaanniemi et al. 2019), density and coverage (Naeem et al. 2020) as the prdc package computes
// them: balls that reach the k-th neighbour within the own set, strict comparison. Everything is built from blocks, and
// the counts are integers: no N x N matrix, and the same result whoever computes which block.
#include <ATen/core/Tensor.h>

#include <cstdint>

#include "metrics/neighbour_distances.hpp"

namespace ddls::metrics {

struct Prdc {
  double precision = 0, recall = 0, density = 0, coverage = 0;
};

class PrdcCounts {
 public:
  // radii of the real [N] and fake [M] rows.
  PrdcCounts(at::Tensor real_radii, at::Tensor fake_radii);
  // Distances [m, n] from the real rows beginning at `real` to the fake rows beginning at `fake`; each pair once.
  void add(int64_t real, int64_t fake, const at::Tensor& block);
  at::Tensor& counts() { return counts_; }  // int64: the message of the all-reduce
  Prdc result(int64_t k) const;

 private:
  at::Tensor real_radii_, fake_radii_;
  at::Tensor
      counts_;  // [M] real balls that hold the fake; [N] fakes in the real's ball; [N] fake balls that hold the real
};

struct PrdcOptions {
  int64_t k = 5;
  int64_t count = 10'000;  // the first so many images of each set
};

// Sharded over the ranks, with the same result at any rank count. **Collective.**
// The radii are those of neighbour_radii(k).
Prdc prdc_of(dist::Communicator& comm, const FeatureBlocks& fake, const FeatureBlocks& real,
             const at::Tensor& fake_radii, const at::Tensor& real_radii, int64_t k);

}  // namespace ddls::metrics
