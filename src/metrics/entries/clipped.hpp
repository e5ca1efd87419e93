#pragma once
// The calibration of clipped coverage (Salvy, Talbot, Thirion 2026).
#include <cstdint>

namespace ddls::metrics {

// What the mean of min(fakes in a ball, k)/k over balls that reach the k-th neighbour of `reals` samples is expected to
// be for `fakes` more samples of the same law. Increasing in `fakes`, from 0; k < reals.
double expected_coverage(int64_t reals, int64_t fakes, int64_t k);

// The share of `fakes` that must be such samples, the others in no ball, for this coverage; linear between whole
// numbers, at most 1.
double good_share_of_coverage(double coverage, int64_t reals, int64_t fakes, int64_t k);

}  // namespace ddls::metrics
