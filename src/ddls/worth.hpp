#pragma once
// What an energy is worth: how much nearer p0 e^r / Z is to the data than p0 is, from log-ratios r of held-out reals
// and of prior draws that no fit saw, without a chain. Float64 on the CPU throughout; nothing here knows ranks.
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace ddls::sampling {

// Log-ratios of one kind of draws. `groups` [n] int64: the class of each, of a conditional model; undefined: one class.
// Chains keep their class, so each class has a law p0 e^r / Z of its own, and log Z is that of the draw's class.
struct LogRatios {
  at::Tensor values;  // [n] float64
  at::Tensor groups = {};
};

// [classes] log mean e^r over the draws of each class: log Z; -inf for a class without draws.
at::Tensor log_means(const LogRatios& pool, int64_t classes);

// The prior draws alone.
struct PoolWorth {
  double log_z = 0;          // log mean e^r; the mean over the draws' classes
  double ess = 0;            // (sum w)^2 / sum w^2, in draws
  double ess_fraction = 0;   // of all draws
  double largest_share = 0;  // of the weights, of one draw
  // The log-mean is carried by few draws, and may be too low by much: below 100 effective ones, or one with more than 5
  // %.
  bool few_draws() const { return ess < 100 || largest_share > 0.05; }
};
PoolWorth pool_worth(const LogRatios& pool);

// w_i = e^{r_i} / (sum over its class), times the class's share of the draws: they sum to 1. [n].
at::Tensor normalised_weights(const LogRatios& pool);

// mean_real r - log mean_pool e^r (Donsker & Varadhan 1983): KL(data | p0) - KL(data | p0 e^r / Z) in nats; 0 for r =
// 0, negative for an energy that harms. Reals of a class that the pool has no draw of are left out. Throws Error(data)
// where there is no real or no draw.
double nats(const LogRatios& real, const LogRatios& pool);

struct Interval {
  double mean = 0, low = 0, high = 0;
};
// `nats` with an interval (95 %), that of the Poisson bootstrap: both sets drawn anew `replicates` times by the
// counter-based noise of `seed`; it does not see what a pool without the draws that matter misses. Throws as nats does.
Interval nats_gained(const LogRatios& real, const LogRatios& pool, uint64_t seed, int64_t replicates = 200);

// The factor b >= 0 whose b r gains most, and what it gains: concave in b, so by golden section. At most `most`.
struct BestScale {
  double scale = 0, nats = 0;
};
BestScale best_scale(const LogRatios& real, const LogRatios& pool, double most = 4);

// `count` rows drawn by weight, ascending: row i comes floor(count w_i) times or once more (systematic resampling,
// Kitagawa 1996). `weights` [n], any scale; u in [0, 1).
at::Tensor systematic_resample(const at::Tensor& weights, int64_t count, double u);

}  // namespace ddls::sampling
