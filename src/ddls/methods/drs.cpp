// Discriminator rejection sampling (Azadi et al., ICLR 2019): prior draws are accepted with probability sigma(F),
//   F = D - log(1 - e^{D - e}) - gamma,  D = r - max r,
// which for gamma = 0 and e -> 0 is e^D: exact rejection. max r is taken from pilot draws and fixed, so that chains do not
// depend on each other; a ratio above it counts as the maximum. Step t offers candidate t to the chains that have none yet;
// a chain that never accepts ends with its best candidate.
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "base/error.hpp"
#include "ddls/method.hpp"

namespace ddls {
namespace {

constexpr double epsilon = 1e-6;
constexpr const char* taken = "taken";  // [n] 1 once a candidate was accepted

struct Bound {
  double largest = 0, gamma = 0;
};

at::Tensor score(const at::Tensor& log_ratio, const Bound& bound) {
  const at::Tensor d = (log_ratio.to(at::kDouble) - bound.largest).clamp_max(0);
  return d - at::log(-at::expm1(d - epsilon)) - bound.gamma;
}

// [pilots] float64 log-ratios of prior draws, on every rank.
at::Tensor pilot_ratios(int64_t pilots, const Target& target, const Noise& noise, const WarmUp& warm_up) {
  const BlockPlan plan = pilot_blocks(pilots, warm_up);
  const std::vector<Block> mine = plan.blocks_of(warm_up.rank, warm_up.ranks);
  at::Tensor all = at::zeros({pilots}, at::kDouble);
  const int64_t rounds = (plan.blocks() + warm_up.ranks - 1) / warm_up.ranks;
  for (int64_t round = 0; round < rounds; ++round) {
    if (round < static_cast<int64_t>(mine.size())) {
      const Block& block = mine[static_cast<size_t>(round)];
      const at::Tensor z = noise.normal(block.padded, target.latent_dim, 0, Stream::pilot, target.device);
      const at::Tensor labels = target.labels_of ? target.labels_of(block.padded).to(target.device) : at::Tensor();
      const int64_t count = block.ids.size();
      all.narrow(0, block.ids.begin, count).copy_(target.log_ratio(z, labels).narrow(0, 0, count));
    }
    if (warm_up.after_step) warm_up.after_step(std::min((round + 1) * warm_up.ranks * plan.block_size, pilots), pilots);
  }
  if (warm_up.sum) warm_up.sum(all);
  return all;
}

Bound bound_of(const DrsConfig& c, const Target& target, const Noise& noise, const WarmUp& warm_up) {
  const at::Tensor r = pilot_ratios(c.pilots, target, noise, warm_up);
  const at::Tensor finite = r.masked_select(at::isfinite(r));
  if (finite.numel() == 0) fail(Exit::data, "drs: none of {} prior draws has a finite ratio", c.pilots);
  Bound bound{finite.max().item<double>(), 0};
  if (c.percentile > 0) {
    const at::Tensor sorted = std::get<0>(score(finite, bound).sort());
    const auto at = static_cast<int64_t>(c.percentile / 100 * static_cast<double>(sorted.numel() - 1));
    bound.gamma = sorted[at].item<double>();
  }
  return bound;
}

void step_drs(Chains& chains, int64_t step, const Bound& bound, const Target& target, const Noise& noise) {
  at::Tensor& done = chains.extra.at(taken);
  // The start of a chain is its first candidate.
  const bool first = step == 0;
  const at::Tensor z = first ? chains.z : normal_of(chains, noise, step, Stream::proposal);
  const Evaluation there = first ? chains.now : target.evaluate(z, chains.labels);
  const at::Tensor f = score(there.log_ratio, bound);
  const at::Tensor probability = at::where(at::isfinite(there.log_ratio), f.sigmoid(), at::zeros_like(f));
  const at::Tensor open = done == 0;
  const at::Tensor accepted = open.logical_and(uniform_of(chains, noise, step, Stream::accept) < probability);
  const at::Tensor better = open.logical_and(there.log_ratio > chains.now.log_ratio);
  move_where(accepted.logical_or(better), z, there, chains);
  done = done.logical_or(accepted).to(at::kByte);
  chains.rates["acceptance"] = probability;
}

}  // namespace

Method drs(const DrsConfig& config, const Target& target, const Noise& noise, const WarmUp& warm_up) {
  const Bound bound = bound_of(config, target, noise, warm_up);
  return {.name = "drs",
          .steps = config.steps,
          .cost = {.gradients = 0, .ratios = 1},
          .rates = {"acceptance"},
          .step_size = [](int64_t) { return 0.0; },
          .start =
              [](Chains& chains, int64_t) {
                chains.extra[taken] = at::zeros({chains.z.size(0)}, chains.z.options().dtype(at::kByte));
              },
          .advance = [=](Chains& chains, int64_t step) { step_drs(chains, step, bound, target, noise); }};
}

}  // namespace ddls
