#include "ddls/calibration/reliability.hpp"

#include <ATen/ATen.h>

#include <cmath>

namespace ddls::sampling {

Reliability reliability_of(const at::Tensor& real, const at::Tensor& fake) {
  constexpr int64_t bins = 15;
  const at::Tensor log_odds = at::cat({real, fake}), p = log_odds.sigmoid();
  const at::Tensor y = at::cat({at::ones_like(real), at::zeros_like(fake)});
  const auto n = static_cast<double>(y.numel());

  const at::Tensor bin = (p * static_cast<double>(bins)).to(at::kLong).clamp(0, bins - 1);
  const at::Tensor excess = at::zeros({bins}, at::kDouble).index_add_(0, bin, y - p);
  const double spread = (p * (1 - p)).sum().item<double>();
  return {.cross_entropy = (at::softplus(log_odds) - y * log_odds).mean().item<double>(),
          .brier = (y - p).square().mean().item<double>(),
          .ece = excess.abs().sum().item<double>() / n,
          .z = (y - p).sum().item<double>() / std::sqrt(std::max(spread, 1e-300))};
}

}  // namespace ddls::sampling
