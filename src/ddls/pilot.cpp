#include "ddls/pilot.hpp"

#include <ATen/ATen.h>

#include <algorithm>

#include "base/purpose.hpp"
#include "ddls/dual_averaging.hpp"

namespace ddls::sampling {
namespace {

// Its own key: chains that are kept are independent of the pilots.
tensor::Noise pilot_noise(const tensor::Noise& noise) { return {derive(noise.seed, Purpose::pilots)}; }

struct Pilots {
  Block block;
  Chains chains;
};

// Sums of the block's acceptance probabilities, one per step size.
at::Tensor acceptance_sums(const std::vector<at::Tensor>& acceptance, const Block& block) {
  std::vector<at::Tensor> sums;
  for (const at::Tensor& a : acceptance) sums.push_back(a.narrow(0, 0, block.ids.size()).to(at::kDouble).sum());
  return at::stack(sums).cpu();
}

}  // namespace

BlockPlan pilot_blocks(int64_t count, const WarmUp& warm_up) {
  const int64_t blocks = BlockPlan{count, warm_up.block_size}.blocks();
  return {count, (count + blocks - 1) / blocks};
}

std::vector<double> adapted_steps(const PilotPlan& plan, const Target& target, const tensor::Noise& noise,
                                  const WarmUp& warm_up, const PilotMove& move,
                                  const std::function<void(Chains&, const tensor::Noise&)>& start) {
  const tensor::Noise own = pilot_noise(noise);
  const BlockPlan blocks = pilot_blocks(plan.chains, warm_up);
  std::vector<Pilots> mine;
  for (const Block& block : blocks.blocks_of(warm_up.rank, warm_up.ranks)) {
    mine.push_back({block, start_chains(block.padded, target, own)});
    if (start) start(mine.back().chains, own);
  }
  std::vector<DualAveraging> averaging;
  for (const double first : plan.first) averaging.emplace_back(first, plan.target_acceptance);
  std::vector<double> h(averaging.size());
  for (int64_t step = 0; step < plan.steps; ++step) {
    std::transform(averaging.begin(), averaging.end(), h.begin(), [](const DualAveraging& a) { return a.step(); });
    at::Tensor sums = at::zeros({blocks.blocks(), static_cast<int64_t>(h.size())}, at::kDouble);
    for (Pilots& pilots : mine)
      sums[pilots.block.index].copy_(acceptance_sums(move(pilots.chains, step, h, own), pilots.block));
    if (warm_up.sum) warm_up.sum(sums);  // every row is one rank's: nothing is rounded
    const at::Tensor means = sums.sum(0) / static_cast<double>(plan.chains);
    for (size_t i = 0; i < h.size(); ++i) averaging[i].update(means[static_cast<int64_t>(i)].item<double>());
    if (warm_up.after_step) warm_up.after_step("step size", step + 1, plan.steps);
  }
  std::transform(averaging.begin(), averaging.end(), h.begin(),
                 [](const DualAveraging& a) { return a.averaged_step(); });
  return h;
}

}  // namespace ddls::sampling
