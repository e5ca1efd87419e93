#pragma once
// Prior draws that are evaluated once, by all ranks together, and shared by all chains: a weighted sample of p0 e^r.
#include <ATen/core/Tensor.h>

#include "ddls/method.hpp"
#include "ddls/pilot.hpp"

namespace ddls::sampling {

struct PriorPool {
  at::Tensor z;             // [P, k] float32, by label, on the target's device, as all of these
  at::Tensor log_ratio;     // [P] float32
  at::Tensor begin, count;  // [labels] int64: where a label's draws lie; undefined: unconditional
  at::Tensor
      cumulative;  // [P] float64: of the weights e^r among the draws of a label, plus the label; ends at label + 1
  std::map<std::string, double> weights;  // ess_fraction and log_z, as a method's warm_up names them

  // Rows for chains, [n], from u in [0, 1), [n]: each draw of the chain's label alike, or by its weight.
  at::Tensor any(const at::Tensor& labels, const at::Tensor& u) const;
  at::Tensor weighted(const at::Tensor& labels, const at::Tensor& u) const;
  // Throws Error(config) naming `key` where the pool has no draw of a chain's label.
  void check(const at::Tensor& labels, const char* key) const;
};

// **Collective** with `warm_up.sum`. Error(data) where no draw has a finite ratio; `who` begins the message.
PriorPool prior_pool(int64_t draws, const Target& target, const tensor::Noise& noise, const WarmUp& warm_up,
                     const char* who);

// A start at draws of the pool by weight: places of the cumulative weights that lie evenly, so that a draw is taken
// twice only where its share of its label's weight asks for that. The k-th chain of a label is at frac(s + k / phi),
// phi the golden ratio and s uniform, one for each label and start. Each chain on its own is a weighted draw; n of them
// are at least 1 / (sqrt(5) n) apart for every n, whatever the blocks and ranks. (Systematic resampling, Kitagawa 1996,
// has 1 / n, for an n known before.) `key`: as `check` has it.
std::function<void(Chains&, int64_t draw)> weighted_start(PriorPool pool, const char* key, const Target& target,
                                                          const tensor::Noise& noise);

// The method with chains that start so: for kernels that leave p0 e^r as it is, nothing of a start is left to forget
// but the error of an importance sample.
Method started_from(PriorPool pool, Method method, const Target& target, const tensor::Noise& noise);

}  // namespace ddls::sampling
