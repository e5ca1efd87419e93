#pragma once
// Rejection samplers: prior draws are offered, one per step, to the chains that still wait for one, and those are all
// that is evaluated. A chain that has accepted stays. Offer t of a chain is a function of (chain, t) alone.
//
// A chain that has accepted nothing in its steps ends with one of its candidates, drawn with weights a / (1 - a): given
// that they were all rejected they have the density p0 (1 - a), so that this is importance resampling from p0 a. Its
// bias falls with the number of candidates; how many chains end so is `ran_out`.
#include "ddls/registry.hpp"

namespace ddls::sampling {

struct CandidatePlan {
  int64_t steps = 1;  // candidates of a chain at most; the first is its start
  // [n] float64 log-ratios, finite or not -> log of the probability of acceptance, at most 0; not finite: never.
  std::function<at::Tensor(const at::Tensor& log_ratio)> log_acceptance;
  double bound = 0;           // above it a ratio counts as the bound
  bool reports_bound = true;  // sets the rate `above_bound`
};

// Steps, start, advance, cost and rates; the rest is the caller's.
Method candidates(const CandidatePlan& plan, const Target& target, const tensor::Noise& noise);

// Of candidates(), as readers meet them: offers per sample, share of chains that have accepted nothing, share of chains
// whose sample's ratio is above the bound (the mass that is cut off).
Rate proposals_rate();
Rate ran_out_rate();
Rate above_bound_rate();

}  // namespace ddls::sampling
