#pragma once
// Distances between rows, and those of each row of a set to its nearest others: what metrics of balls are made of.
// Distances are computed in float64 and rounded to float32, as the prdc package does, so that ties between equal pairs
// of images stay ties. Everything is built from blocks of fixed size: no N x N matrix, and the same bits whoever
// computes which block.
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

#include "metrics/extract_set.hpp"
#include "metrics/feature_blocks.hpp"

namespace ddls::metrics {

// [m, n] float32: Euclidean distances between the rows of x [m, F] and y [n, F].
at::Tensor distances(const at::Tensor& x, const at::Tensor& y);
// Of a block with itself: a copy in which no row is its own neighbour.
at::Tensor without_diagonal(const at::Tensor& distances);

// The k smallest distances of each of `count` rows to others of its own set.
class NearestNeighbours {
 public:
  NearestNeighbours(int64_t count, int64_t k);
  // Distances [m, n] of the rows from `row` on to n others; a row's distance to itself must not be among them, or be
  // inf.
  void add(int64_t row, const at::Tensor& block);
  at::Tensor& nearest() { return nearest_; }  // [count, k] float32, ascending; inf where fewer were seen
  void merge(const at::Tensor& others);       // [any, count, k]: what others have seen
  at::Tensor radii() const;                   // [count]: distance of the k-th

 private:
  int64_t k_;
  at::Tensor nearest_;
};

// [count] float32: distance of each row to its k-th neighbour in its own set. Sharded over the ranks, with the same
// result at any rank count. **Collective.**
at::Tensor neighbour_radii(dist::Communicator& comm, const FeatureBlocks& set, int64_t k);

// The same of the set's first `count` rows (all, where it has fewer), which must be more than k. Kept with the set:
// metrics that ask for as many rows share one pass. **Collective.**
at::Tensor neighbour_radii(dist::Communicator& comm, const SetFeatures& set, int64_t count, int64_t k);

// Why `count` rows of either set have no k-th neighbour; empty where they have.
std::string no_neighbours_why(const SetFeatures& own, const SetFeatures& real, int64_t count, int64_t k);

}  // namespace ddls::metrics
