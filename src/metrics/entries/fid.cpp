// The Fréchet distance of whole sets.
#include "base/json.hpp"
#include "metrics/entry.hpp"
#include "metrics/frechet_metrics.hpp"

namespace ddls::metrics {

Metric fid_metric() {
  return described<config::NoOptions>(
      {.name = "fid",
       .summary = "Fréchet distance of features (FID with an Inception network)",
       .keys = {{"frechet_distance", "FD (fid)", "",
                 MetricColumn{.title = "Fréchet distance",
                              .better = Better::lower,
                              .decimals = -4,
                              .main = true,
                              .spread_path = "frechet_distance_std",
                              .curve = "frechet_distance"}}},
       .protocol_keys = {{"covariance_divisor", "of FD"}},
       .needs = MetricNeeds{.moments = true},
       .compute =
           [](const config::NoOptions&, const MetricInputs& in) {
             return Json{{"frechet_distance",
                          distance_on_root(in.context.comm, in.own.gaussian, in.own.name, in.reference.factor)}};
           },
       .protocol = [](const config::NoOptions&, const auto&...) { return covariance_protocol(); }});
}

}  // namespace ddls::metrics
