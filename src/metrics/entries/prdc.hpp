#pragma once
// Precision, recall (Kynkaanniemi et al. 2019), density and coverage (Naeem et al. 2020) as the prdc package computes
// them: balls that reach the k-th neighbour within the own set, strict comparison. Everything is built from blocks, and
// the counts are integers: no N x N matrix, and the same result whoever computes which block.
#include <ATen/core/Tensor.h>

#include <cstdint>

#include "metrics/neighbour_distances.hpp"
#include "metrics/pair_products.hpp"

namespace ddls::metrics {

struct Prdc {
  double precision = 0, recall = 0, density = 0, coverage = 0;
};

// int64 counts: [M] real balls that hold the fake; [N] fakes in the real's ball; [N] fake balls that hold the real.
class PrdcCounts final : public PairSums {
 public:
  // radii of the real [N] and fake [M] rows: neighbour_radii(k).
  PrdcCounts(at::Tensor real_radii, at::Tensor fake_radii);
  void add(const PairBlock& block) override;
  Prdc result(int64_t k) const;
  const at::Tensor& fake_radii() const { return fake_radii_; }

 private:
  at::Tensor real_radii_, fake_radii_;
};

struct PrdcOptions {
  int64_t k = 5;
  int64_t count = 10'000;  // the first so many images of each set
};

}  // namespace ddls::metrics
