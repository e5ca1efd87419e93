#include "metrics/modes.hpp"

#include <ATen/ATen.h>

#include <cmath>

namespace ddls {

ModeMetrics mode_metrics(const at::Tensor& points, const at::Tensor& centres, double sd, double scale) {
  const at::Tensor x = points.to(at::kDouble) * scale;
  const at::Tensor c = centres.to(at::kDouble) * scale;
  const auto [distance, mode] = at::cdist(x, c).min(1);
  const at::Tensor good = distance <= 4 * sd;
  const at::Tensor good_distance2 = distance.masked_select(good).square();
  const at::Tensor mass = at::bincount(mode.masked_select(good), {}, c.size(0)).to(at::kDouble);

  ModeMetrics m;
  m.count = x.size(0);
  const auto n = static_cast<double>(good_distance2.numel());
  const auto modes = static_cast<double>(c.size(0));
  m.high_quality_fraction = n / static_cast<double>(m.count);
  m.modes_recovered = (mass > 0).sum().item<int64_t>();
  m.mass_min = static_cast<int64_t>(mass.min().item<double>());
  m.mass_max = static_cast<int64_t>(mass.max().item<double>());
  const at::Tensor share = mass / static_cast<double>(m.count);
  m.mass_total_variation_all = ((share - 1 / modes).abs().sum().item<double>() + 1 - m.high_quality_fraction) / 2;
  if (n == 0) return m;
  const double radial2 = good_distance2.mean().item<double>();
  m.high_quality_radial = std::sqrt(radial2);
  m.high_quality_std = std::sqrt(radial2 / 2);
  m.mass_total_variation = (mass / n - 1 / modes).abs().sum().item<double>() / 2;
  m.mass_chi2 = ((mass - n / modes).square() / (n / modes)).sum().item<double>();
  return m;
}

}  // namespace ddls
