#pragma once
// IS = exp(mean over x of KL(p(y|x) || p(y))) per split, p(y) of the split (Salimans et al. 2016); 10 contiguous splits of
// the set in file order: split i holds the ids [i*N/10, (i+1)*N/10). Float64 sums over ranks, as in moments.hpp.
#include <ATen/core/Tensor.h>

#include <cstdint>

#include "base/blocks.hpp"

namespace ddls {

struct MeanStd {
  double mean = 0, std = 0;  // std over splits, divisor: the number of splits
};

class InceptionScore {
 public:
  static constexpr int64_t splits = 10;
  InceptionScore(int64_t classes, int64_t count);   // count: of the whole set
  void add(const at::Tensor& logits, IdRange ids);  // [n, C], rows of these ids
  at::Tensor& sums() { return sums_; }              // [splits, 2 + C]: n, sum p log p, sum p
  MeanStd score() const;

 private:
  int64_t count_;
  at::Tensor sums_;
};

}  // namespace ddls
