#pragma once
// The Fréchet distance of a weighted set. **Collective.**
#include <optional>
#include <string>

#include "metrics/feature_blocks.hpp"
#include "metrics/frechet.hpp"

namespace ddls::metrics {

struct WeightedDistance {
  double all = 0;  // of the weighted mean and its unbiased covariance (Moments::add)
  double at_count =
      0;           // what `count` samples of equal weight would have: the bias goes with 1 / ESS (Chong & Forsyth 2020)
  double std = 0;  // of the distance of such samples, and of `at_count` together: what a difference must exceed
};

// `rows` holds all rows of the set, `weights` [rows.count] float64, the same on every rank. Parts of the set say how
// the distance falls with its size and how much it varies. Nothing where a part weighs less than two samples: `why` is
// then filled.
std::optional<WeightedDistance> weighted_frechet(dist::Communicator& comm, const FeatureBlocks& rows,
                                                 const at::Tensor& weights, int64_t count,
                                                 const std::optional<GaussianFactor>& reference, std::string& why);

}  // namespace ddls::metrics
