#pragma once
// |m1 - m2|^2 + Tr(S1) + Tr(S2) - 2 Tr((S1 S2)^(1/2)) (Heusel et al. 2017). With S = R R^T from the symmetric
// eigen-decomposition, the last trace is the sum of the singular values of R1^T R2. Squares are never formed, so rank-
// deficient and ill-conditioned covariances cost no digits: the error is of the order of 1e-13 of the traces, where the
// eigenvalues of S1^(1/2) S2 S1^(1/2) or a complex root of S1 S2 give half the digits.
#include <ATen/core/Tensor.h>

#include <string>

#include "metrics/moments.hpp"

namespace ddls::metrics {

struct GaussianFactor {
  at::Tensor mean;  // [F] float64
  double trace = 0;
  at::Tensor root;      // [F, rank]: covariance = root root^T; eigenvalues below rounding are left out
  double left_out = 0;  // what they make of the trace
};

// The costly part (O(F^3)); keep it for a set that is compared with several. Throws Error(data) where the covariance
// has an eigenvalue that is clearly negative; `what` names the set.
GaussianFactor factor(const GaussianStatistics& s, const std::string& what);

// 0 where it comes out negative by no more than rounding and what the roots leave out.
double frechet_distance(const GaussianFactor& a, const GaussianFactor& b);

}  // namespace ddls::metrics
