#pragma once
// What the law p0 e^r / Z would score, without a chain: from the prior draws that the energy was judged by, weighted
// with e^r.
#include "metrics/set_metrics.hpp"
#include "pipeline/energy_stage.hpp"

namespace ddls::pipeline {

// **Collective.** The object `metrics` of an energy: of its weighted draws, which `target` decodes to samples of
// `shape`.
Json metrics_of_energy(const KeptEnergy& energy, const sampling::Target& target, const std::vector<int64_t>& shape,
                       const config::Config& config, const metrics::MetricContext& context,
                       const metrics::Reference& reference);

// **Collective.** `energies` of report.json (docs/formats.md): what is kept of the run's energy, with its metrics; an
// empty object where nothing is. The Fréchet distance is that of the weighted mean and covariance of all draws, and, as
// it would be of as many samples as the methods have; Inception Score, precision, recall, density, coverage and modes
// are those of draws resampled by weight. Null with a reason where the weights leave too few draws. `trained`: what
// decodes them; null: the run's newest.
Json judged_energies(Run& run, const TrainedTarget* trained, const metrics::MetricContext& context,
                     const metrics::Reference& reference);

// Whether a method's samples are those of a short run and not of p0 e^r: a gradient kernel with a bias of its own,
// whose distance is more than 5 %, and two standard errors, below that of the weighted pool at as many samples, where
// the weights can tell; or any on an energy that harms.
bool is_short_run(const std::string& method, const config::Config& config, const Json& method_record,
                  const Json& energy_record);

}  // namespace ddls::pipeline
