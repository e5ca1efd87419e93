#pragma once
// Everything that is evaluated is a plain float64 sum, so a distributed evaluation is one all-reduce per metric: each
// rank adds its own features, the caller all-reduces sums(), every rank then has the statistics of the whole set.
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace ddls {

struct GaussianStatistics {
  int64_t count = 0;
  at::Tensor mean;        // [F] float64
  at::Tensor covariance;  // [F, F] float64, divisor count - 1
};

// n, sum f, sum f f^T over rows.
class Moments {
 public:
  explicit Moments(int64_t features);
  void add(const at::Tensor& features);  // [n, F], any floating dtype
  at::Tensor& sums() { return sums_; }   // [1 + F + F*F] float64: the message of the all-reduce
  // Throws Error(data) for fewer than 2 rows, or features that are not finite. `what` names the set.
  GaussianStatistics statistics(const std::string& what) const;

 private:
  int64_t features_;
  at::Tensor sums_;
};

// |m1 - m2|^2 + Tr(S1) + Tr(S2) - 2 Tr((S1 S2)^(1/2)) (Heusel et al. 2017). The last trace is the sum of the square roots
// of the eigenvalues of the symmetric S1^(1/2) S2 S1^(1/2), negative ones (rounding) taken as zero: stable for
// rank-deficient covariances.
double frechet_distance(const GaussianStatistics& a, const GaussianStatistics& b);

}  // namespace ddls
