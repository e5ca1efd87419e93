#pragma once
// Inner products of the rows of two sets, one pair of blocks at a time, and the distances that follow from them. What
// several metrics make of the pairs of a set and its reference is added up in one pass over them.
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "metrics/feature_blocks.hpp"

namespace ddls::metrics {

class PairBlock {
 public:
  PairBlock(IdRange rows, IdRange columns, at::Tensor x, at::Tensor y, at::Tensor x_squares, at::Tensor y_squares);

  const IdRange rows, columns;                           // ids; equal for a block with itself
  const at::Tensor x, y;                                 // [m, F] and [n, F] float64
  const at::Tensor x_squares, y_squares;                 // [m, 1] and [1, n] float64: squared norms
  const at::Tensor products;                             // [m, n] float64
  const at::Tensor& distances() const;                   // [m, n] float32, Euclidean; computed once
  PairBlock first(int64_t rows, int64_t columns) const;  // of ids below these; shares memory

 private:
  PairBlock(IdRange rows, IdRange columns, const PairBlock& whole);
  std::shared_ptr<at::Tensor> distances_ = std::make_shared<at::Tensor>();  // shared by copies
};

// As for_each_pair, with products. **Collective.**
void for_each_product(dist::Communicator& comm, const FeatureBlocks& rows, const FeatureBlocks& columns, Pairs pairs,
                      const std::function<void(const PairBlock&)>& use, const std::string& title = {});

// What a metric adds up over the pairs of a sample of the reference (rows) and one of the set (columns).
class PairSums {
 public:
  // It looks at the first so many of either; `sums` is what the ranks' are added to at the end.
  PairSums(int64_t reals, int64_t fakes, at::Tensor sums) : reals_(reals), fakes_(fakes), sums_(std::move(sums)) {}
  virtual ~PairSums() = default;
  virtual void add(const PairBlock& block) = 0;  // each pair once

  int64_t reals() const { return reals_; }
  int64_t fakes() const { return fakes_; }
  at::Tensor& sums() { return sums_; }
  const at::Tensor& sums() const { return sums_; }

 private:
  int64_t reals_, fakes_;
  at::Tensor sums_;
};

// **Collective.**
void add_pairs(dist::Communicator& comm, const FeatureBlocks& real, const FeatureBlocks& fake,
               std::span<const std::shared_ptr<PairSums>> all);

}  // namespace ddls::metrics
