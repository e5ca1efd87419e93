#pragma once
// Isotonic calibration: the increasing function of the score that fits the labels best (pool adjacent violators), as
// log-ratio. It is a staircase, without a gradient: for samplers that need none. For the others a monotone cubic
// (Fritsch & Carlson 1980, slopes of Fritsch & Butland 1984) leads through the middles of its steps, level beyond the
// outermost ones: nothing is known of scores that were not seen.
#include <ATen/core/Tensor.h>

#include "ddls/calibration/score_map.hpp"

namespace ddls::sampling {

// Float64, CPU. Both scores and log_ratios rise strictly.
struct Staircase {
  at::Tensor scores;      // [m] mean score of each step
  at::Tensor edges;       // [m - 1] where one step ends and the next begins
  at::Tensor log_ratios;  // [m]
};

// Targets as Platt's (platt.hpp), so that log-ratios are finite; as many fakes as reals, [n] float64 CPU each. Throws
// Error(data) where there is one step alone: such scores do not tell reals from fakes.
Staircase fit_isotonic(const at::Tensor& real, const at::Tensor& fake);

// Both copy the staircase to `device`.
ScoreMap staircase_map(const Staircase& stairs, c10::Device device);  // slope 0
ScoreMap cubic_map(const Staircase& stairs, c10::Device device);

}  // namespace ddls::sampling
