#include "metrics/entries/modes.hpp"

#include <ATen/ATen.h>

#include <cmath>

#include "base/json.hpp"
#include "data/toy.hpp"
#include "metrics/entry.hpp"

namespace ddls::metrics {

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

namespace {

Json compute_modes(const config::NoOptions&, const MetricInputs& in) {
  const at::Tensor points = in.set.read({0, in.set.count}).at(0).samples;
  const ModeMetrics m =
      mode_metrics(points, data::gaussians25_centres(), data::gaussians25_sd, data::gaussians25_scale);
  Json metrics{{"modes", data::gaussians25_centres().size(0)},
               {"modes_recovered", m.modes_recovered},
               {"high_quality_fraction", m.high_quality_fraction},
               {"mass_total_variation_all", m.mass_total_variation_all},
               {"mass_min", m.mass_min},
               {"mass_max", m.mass_max}};
  if (m.modes_recovered == 0) {  // nothing to take a spread or shares of, and 0 would be the best of them
    refuse(metrics, {"high_quality_std", "high_quality_radial", "mass_total_variation", "mass_chi2"},
           "no sample is of high quality");
    return metrics;
  }
  metrics["high_quality_std"] = m.high_quality_std;
  metrics["high_quality_radial"] = m.high_quality_radial;
  metrics["mass_total_variation"] = m.mass_total_variation;
  metrics["mass_chi2"] = m.mass_chi2;
  return metrics;
}

std::vector<MetricKey> mode_keys() {
  return {
      {"modes", "25 Gaussians: modes of the data"},
      {"modes_recovered", "with at least one sample of high quality", "",
       MetricColumn{.title = "modes recovered", .decimals = 0, .main = true}},
      {"high_quality_fraction", "within 4 sd of a centre", "",
       MetricColumn{.title = "high quality", .unit = "%", .factor = 100, .decimals = 2, .main = true}},
      {"high_quality_std", "per coordinate, before the division by 2.828", "",
       MetricColumn{
           .title = "spread", .unit = "per coordinate", .better = Better::like_real, .decimals = 4, .main = true}},
      {"high_quality_radial", "root mean squared distance to the centre, before the division", "",
       MetricColumn{.title = "spread", .unit = "radial", .better = Better::like_real, .decimals = 4}},
      {"mass_total_variation", "of high-quality samples over the modes, from uniform", "",
       MetricColumn{.title = "mode mass, TV", .unit = "from uniform", .better = Better::lower, .decimals = 4}},
      {"mass_total_variation_all", "of all samples, from the data's law", "",
       MetricColumn{
           .title = "mode mass of all samples, TV", .unit = "from the data's", .better = Better::lower, .decimals = 4}},
      {"mass_chi2", "of the counts of high-quality samples", "",
       MetricColumn{.title = "mode mass, χ²", .better = Better::lower, .decimals = 1}},
      {"mass_min", "in the smallest mode", "samples",
       MetricColumn{.title = "smallest mode", .unit = "samples", .better = Better::like_real, .decimals = 0}},
      {"mass_max", "in the largest mode", "samples",
       MetricColumn{.title = "largest mode", .unit = "samples", .better = Better::like_real, .decimals = 0}}};
}

}  // namespace

Metric modes_metric() {
  return described<config::NoOptions>(
      {.name = "modes",
       .summary = "of 25 Gaussians: modes recovered, high quality, spread, mass of the modes",
       .unasked = true,
       .keys = mode_keys(),
       .needs = MetricNeeds{.gaussians25 = true},
       .compute = compute_modes});
}

}  // namespace ddls::metrics
