#pragma once
// IS = exp(mean over x of KL(p(y|x) || p(y))) per split, p(y) of the split (Salimans et al. 2016); 10 contiguous splits
// of the set in file order: split i holds the ids [i*N/10, (i+1)*N/10). Float64 sums over ranks, as in moments.hpp.
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "base/blocks.hpp"
#include "metrics/extrapolation.hpp"
#include "metrics/mean_std.hpp"

namespace ddls::metrics {

class InceptionScore {
 public:
  static constexpr int64_t splits = 10;
  InceptionScore(int64_t classes, int64_t count);   // count: of the whole set
  void add(const at::Tensor& logits, IdRange ids);  // [n, C], rows of these ids
  at::Tensor& sums() { return sums_; }              // [splits, 2 + C]: n, sum p log p, sum p
  MeanStd score() const;                            // over the splits

 private:
  int64_t count_;
  at::Tensor sums_;
};

// The score of every subset, each as one split. Sums over ranks as above.
class InceptionScoreOfSubsets {
 public:
  InceptionScoreOfSubsets(int64_t classes, Subsets subsets);
  void add(const at::Tensor& logits, IdRange ids);
  at::Tensor& sums() { return sums_; }
  std::vector<double> scores() const;
  const std::vector<int64_t>& sizes() const { return subsets_.sizes; }

 private:
  Subsets subsets_;
  at::Tensor sums_;  // [subsets, 2 + C]: n, sum p log p, sum p
};

}  // namespace ddls::metrics
