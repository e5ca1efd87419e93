#include "ddls/pilot_ratios.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "base/error.hpp"

namespace ddls::sampling {

at::Tensor pilot_ratios(int64_t pilots, const Target& target, const tensor::Noise& noise, const WarmUp& warm_up) {
  const BlockPlan plan = pilot_blocks(pilots, warm_up);
  const std::vector<Block> mine = plan.blocks_of(warm_up.rank, warm_up.ranks);
  at::Tensor all = at::zeros({pilots}, at::kDouble);
  const int64_t rounds = (plan.blocks() + warm_up.ranks - 1) / warm_up.ranks;
  for (int64_t round = 0; round < rounds; ++round) {
    if (round < static_cast<int64_t>(mine.size())) {
      const Block& block = mine[static_cast<size_t>(round)];
      const at::Tensor z = noise.normal(block.padded, target.latent_dim, 0, Stream::pilot, target.device);
      const at::Tensor labels = target.labels_at(block.padded);
      const int64_t count = block.ids.size();
      all.narrow(0, block.ids.begin, count).copy_(target.log_ratio(z, labels).narrow(0, 0, count));
    }
    if (warm_up.after_step)
      warm_up.after_step("prior draws", std::min((round + 1) * warm_up.ranks * plan.block_size, pilots), pilots);
  }
  if (warm_up.sum) warm_up.sum(all);
  return all;
}

at::Tensor pilot_latents(int64_t pilots, const Target& target, const tensor::Noise& noise) {
  return noise.normal({0, pilots}, target.latent_dim, 0, Stream::pilot, target.device);
}

at::Tensor finite_ratios(const at::Tensor& log_ratio, const char* who) {
  const at::Tensor finite = log_ratio.masked_select(at::isfinite(log_ratio));
  if (finite.numel() == 0) fail(Exit::data, "{}: none of {} prior draws has a finite ratio", who, log_ratio.numel());
  return finite;
}

double ess_fraction(const at::Tensor& log_weight) {
  const at::Tensor log_ess = log_weight.logsumexp(0) * 2 - (log_weight * 2).logsumexp(0);
  return std::exp(log_ess.item<double>()) / static_cast<double>(log_weight.numel());
}

double log_mean_exp(const at::Tensor& log_weight) {
  return log_weight.logsumexp(0).item<double>() - std::log(static_cast<double>(log_weight.numel()));
}

std::map<std::string, double> prior_weights(const at::Tensor& log_ratio) {
  return {{"ess_fraction", ess_fraction(log_ratio)}, {"log_z", log_mean_exp(log_ratio)}};
}

}  // namespace ddls::sampling
