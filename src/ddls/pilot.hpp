#pragma once
// Warm-ups: what a method finds out on pilots, chains or prior draws apart from those that are kept and with noise of
// their own, before its chains start. Pilots are cut into blocks of one shape, which ranks share; what blocks find is
// put together in their order, so that every rank comes to the same values at any number of ranks, also where ranks
// compute differently.
#include <functional>
#include <vector>

#include "ddls/chains.hpp"

namespace ddls::sampling {

// Who takes part. Default: one process on its own.
struct WarmUp {
  int64_t block_size = 512;  // the most pilots that are evaluated at once
  int rank = 0, ranks = 1;
  // Adds up a float64 CPU tensor over the ranks, in place; unset: one rank. **Collective**, as is a warm-up with it.
  std::function<void(at::Tensor& values)> sum = {};
  // Called after every step, or round of draws, equally often on all ranks: how many of this part of the warm-up ("step
  // size", "prior draws", "fit") are done, of how many. May throw to stop, on all ranks.
  std::function<void(const char* part, int64_t done, int64_t of)> after_step = {};
  // The density with its gradient, for warm-ups of chains that need none; null: the target that the method is made for.
  const Target* with_gradient = nullptr;
};

// Whether a method that is configured so adapts its step sizes in a warm-up.
template <typename MethodConfig>
bool adapts(const MethodConfig& config) {
  return config.adapt && config.warmup > 0;
}

// Blocks of equal size, at most `block_size`.
BlockPlan pilot_blocks(int64_t count, const WarmUp& warm_up);

struct PilotPlan {
  std::vector<double> first;  // step sizes at which the adaptation starts
  double target_acceptance = 0.574;
  int64_t steps = 200, chains = 512;
};

// One step with these step sizes; returns the acceptance probabilities that belong to each, [n].
using PilotMove =
    std::function<std::vector<at::Tensor>(Chains&, int64_t step, const std::vector<double>& h, const tensor::Noise&)>;

// Returns the averaged step sizes of dual averaging (dual_averaging.hpp), to be frozen. `start`: what the method adds
// to chains that have just started.
std::vector<double> adapted_steps(const PilotPlan& plan, const Target& target, const tensor::Noise& noise,
                                  const WarmUp& warm_up, const PilotMove& move,
                                  const std::function<void(Chains&, const tensor::Noise&)>& start = {});

}  // namespace ddls::sampling
