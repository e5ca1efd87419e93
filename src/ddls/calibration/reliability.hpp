#pragma once
// How well log-ratios, read as log-odds of "real" among as many reals as fakes, agree with what samples are.
#include <ATen/core/Tensor.h>

namespace ddls::sampling {

struct Reliability {
  double cross_entropy = 0;  // mean, nats
  double brier = 0;          // mean (y - p)^2
  double ece = 0;  // expected calibration error: mean |share of reals - mean p| over 15 equal bins of p, by count
  double z = 0;    // sum(y - p) / sqrt(sum p (1 - p)): about N(0, 1) where p is calibrated (Turner et al. 2019)
};

Reliability reliability_of(const at::Tensor& real, const at::Tensor& fake);  // log-ratios, [n] float64 CPU each

}  // namespace ddls::sampling
