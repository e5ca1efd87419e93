#pragma once
// Mean and covariance of a set whose features come in pieces, on any number of ranks: plain float64 sums about a centre
// near the mean (so that a large mean costs no digits). Each rank adds its own rows, all take one centre, the caller
// all-reduces sums(), every rank then has the statistics of the whole set.
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace ddls::metrics {

struct GaussianStatistics {
  int64_t count = 0;      // 0: not known (a statistics file without provenance)
  at::Tensor mean;        // [F] float64
  at::Tensor covariance;  // [F, F] float64, divisor count - 1
};

// n, sum (f - c), sum (f - c)(f - c)^T over rows f. Only panels on and above the diagonal are computed.
class Moments {
 public:
  explicit Moments(int64_t features);
  // [n, F], any floating dtype. Best in pieces of some hundred rows: each piece passes once over the F x F sums. The
  // centre is the mean of the first piece.
  // `weights` [n] float64: a row counts so often; undefined: once. Weights w_i whose sum over all rows is (sum w)^2 /
  // sum w^2 make `statistics` the weighted mean and its unbiased covariance, sum w (f - m)(f - m)^T / (1 - sum w^2) for
  // sum w = 1.
  void add(const at::Tensor& features, const at::Tensor& weights = {});
  const at::Tensor& centre() const { return centre_; }  // [F] float64; zeros before the first piece
  void recentre(const at::Tensor& centre);              // exact algebra; before sums of several ranks are added up
  at::Tensor& sums() { return sums_; }                  // [1 + F + F*F] float64: the message of the all-reduce
  // Throws Error(data) for fewer than 2 rows, or features that are not finite. `what` names the set.
  GaussianStatistics statistics(const std::string& what) const;

 private:
  at::Tensor products() const;  // [F, F] view; below the diagonal panels: zeros

  int64_t features_;
  at::Tensor centre_, sums_;
};

}  // namespace ddls::metrics
