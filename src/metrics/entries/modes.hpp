#pragma once
// Table 1 of the paper, for mixtures of equal isotropic Gaussians: a sample is of high quality within 4 sd of the
// nearest centre; a mode is recovered by at least one such sample. Spread is given in the units before the data's
// scaling.
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace ddls::metrics {

struct ModeMetrics {
  int64_t count = 0;
  int64_t modes_recovered = 0;
  double high_quality_fraction = 0;
  double high_quality_std = 0;      // per coordinate about the centre, high-quality samples; real data: 0.05
  double high_quality_radial = 0;   // root of the mean squared distance; real data: 0.0707
  double mass_total_variation = 0;  // of high-quality mass per mode against uniform: 0 even, 1 - 1/modes all in one
  // The same of all samples against the data's law, where next to nothing lies outside the modes: what is lost counts,
  // too.
  double mass_total_variation_all = 0;
  double mass_chi2 = 0;  // sum (n_m - n/M)^2 / (n/M); M - 1 on average for even draws
  int64_t mass_min = 0, mass_max = 0;
};

// points [n, 2], centres [M, 2] in the same units; sd and the results' units = those units times `scale`.
ModeMetrics mode_metrics(const at::Tensor& points, const at::Tensor& centres, double sd, double scale);

}  // namespace ddls::metrics
