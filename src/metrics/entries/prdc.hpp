#pragma once
// Precision, recall (Kynkaanniemi et al. 2019), density and coverage (Naeem et al. 2020) as the prdc package computes
// them: balls that reach the k-th neighbour within the own set, strict comparison. Distances are computed in float64
// and rounded to float32, as there, so that ties between equal pairs of images stay ties. Everything is built from
// blocks, and the counts are integers: no N x N matrix, and the same result whoever computes which block.
#include <ATen/core/Tensor.h>

#include <cstdint>

#include "metrics/feature_blocks.hpp"

namespace ddls::metrics {

// [m, n] float32: Euclidean distances between the rows of x [m, F] and y [n, F].
at::Tensor distances(const at::Tensor& x, const at::Tensor& y);

// The k smallest distances of each of `count` rows to others of its own set.
class NearestNeighbours {
 public:
  NearestNeighbours(int64_t count, int64_t k);
  // Distances [m, n] of the rows from `row` on to n others; a row's distance to itself must not be among them, or be
  // inf.
  void add(int64_t row, const at::Tensor& block);
  at::Tensor& nearest() { return nearest_; }  // [count, k] float32, inf where fewer were seen
  void merge(const at::Tensor& others);       // [any, count, k]: what others have seen
  at::Tensor radii() const;                   // [count]: distance of the k-th

 private:
  int64_t k_;
  at::Tensor nearest_;
};

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

// The next two are sharded over the ranks, with the same result at any rank count. **Collective.**

// [count] float32: distance of each row to its k-th neighbour in its own set.
at::Tensor neighbour_radii(dist::Communicator& comm, const FeatureBlocks& set, int64_t k);

// The radii are those of neighbour_radii(k).
Prdc prdc_of(dist::Communicator& comm, const FeatureBlocks& fake, const FeatureBlocks& real,
             const at::Tensor& fake_radii, const at::Tensor& real_radii, int64_t k);

}  // namespace ddls::metrics
