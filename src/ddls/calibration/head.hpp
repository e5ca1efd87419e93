#pragma once
// Calibration by a new last layer: logistic regression on what the discriminator's own last layer takes, its body
// frozen.
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace ddls::models {
struct LastLayer;  // models/network.hpp
}  // namespace ddls::models

namespace ddls::sampling {

// r = alpha d + <w, features> + b. A layer of the old one's shape again: head_of.
struct HeadFit {
  double alpha = 1, offset = 0;
  at::Tensor weight;    // [k] float64, CPU
  int64_t updates = 0;  // before it stopped
};

struct ScoredFeatures {
  at::Tensor scores, features;  // [n], [n, k], float64, CPU
};

// Starts at Platt's fit (w = 0) and descends the cross-entropy of three quarters of the samples by Nesterov's
// accelerated gradient, until the nats gained on the last quarter (worth.hpp) have not risen for 50 updates; takes its
// best point. Early stopping is what keeps it from separating the samples where there are more features than those;
// by nats, since a few fakes of a large r, which cross-entropy hardly sees, carry the law p0 e^r. Throws as fit_platt
// does.
HeadFit fit_head(const ScoredFeatures& real, const ScoredFeatures& fake);

models::LastLayer head_of(const HeadFit& fit, const models::LastLayer& old);

}  // namespace ddls::sampling
