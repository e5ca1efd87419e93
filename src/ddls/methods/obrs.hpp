#pragma once
#include <ATen/core/Tensor.h>

namespace ddls::sampling {

// Optimal budgeted rejection sampling (Verine et al., AISTATS 2024): of all acceptance functions that take `proposals`
// >= 1 proposals per sample on average, a = min(1, c w / M), w = e^r, is the closest to the target in every
// f-divergence.
struct BudgetedAcceptance {
  double log_scale = 0;   // log(c / M): log a = min(0, r + log_scale); infinite: all are accepted
  double acceptance = 1;  // mean a over the pilots: 1 / proposals, or more where exact rejection needs fewer
  double kl = 0;          // KL(target || law of the samples), over the pilots
};

// Exact for the pilots: mean a = 1 / proposals by sorted sums, and c >= 1. `log_ratio`: [n] float64, finite, on the
// CPU.
BudgetedAcceptance budgeted_acceptance(const at::Tensor& log_ratio, double proposals);

}  // namespace ddls::sampling
