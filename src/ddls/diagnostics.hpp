#pragma once
// Convergence diagnostics of chains (Vehtari, Gelman, Simpson, Carpenter, Buerkner: Rank-normalization, folding, and
// localization: an improved R-hat, Bayesian Analysis 2021; Geyer 1992 for the truncation of the autocorrelation sum).
// Input: draws [chains, draws], any real dtype, computed in float64. NaN comes out where the draws are constant.
#include <ATen/core/Tensor.h>

namespace ddls::sampling {

inline constexpr int64_t fewest_draws = 8;  // of a chain; below, the functions throw Error(internal)

// The larger of rank-normalised split R-hat of the draws and of their distances from the median.
double rank_rhat(const at::Tensor& draws);

// Bulk effective sample size: of the rank-normalised draws, split in halves, over all chains together.
double bulk_ess(const at::Tensor& draws);

// Tail effective sample size: the smaller one of the indicators "at most the 5 % quantile" and "at most the 95 %
// quantile".
double tail_ess(const at::Tensor& draws);

// Integrated autocorrelation time in draws: draws / ESS, without rank normalisation.
double autocorrelation_time(const at::Tensor& draws);

}  // namespace ddls::sampling
