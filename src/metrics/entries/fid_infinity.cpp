// The Fréchet distance without the bias of a finite set (extrapolation.hpp).
#include <ATen/ATen.h>

#include "base/json.hpp"
#include "metrics/dealt.hpp"
#include "metrics/entry.hpp"
#include "metrics/extrapolation.hpp"
#include "metrics/frechet_metrics.hpp"

namespace ddls::metrics {
namespace {

Json fid_infinity(dist::Communicator& comm, const SetFeatures& own, const GaussianFactor& reference) {
  const Subsets subsets = extrapolation_subsets(own.rows.count);
  const std::vector<double> distances = dealt(
      comm, "FD without its bias", subsets.members.size(0),
      [&](int64_t i) { return statistics_where(comm, own.rows, subsets.members[i], own.name); },
      [&](int64_t, const GaussianStatistics& part) { return distance_to(reference, part, own.name); });
  const Line line = line_in_inverse_size(subsets.sizes, distances);
  return {{"value", line.intercept}, {"slope", line.slope}, {"sizes", subsets.sizes}, {"distances", distances}};
}

Json compute_infinity(const config::NoOptions&, const MetricInputs& in) {
  if (in.own.count < least_for_extrapolation)
    return no_value("fid_infinity", fmt::format("fewer than {} samples", least_for_extrapolation));
  return {{"fid_infinity", fid_infinity(in.context.comm, in.own, on_every_rank(in.context.comm, in.reference.factor))}};
}

}  // namespace

Metric fid_infinity_metric() {
  return described<config::NoOptions>(
      {.name = "fid_infinity",
       .summary = "Fréchet distance without the bias of a finite set; costs 15 of them",
       .keys = {{"fid_infinity", "FD without the bias of a finite set"},
                {"fid_infinity.value", "", "",
                 MetricColumn{.title = "Fréchet distance, n → ∞",
                              .unit = "extrapolated",
                              .better = Better::lower,
                              .decimals = -4,
                              .main = true}},
                {"fid_infinity.slope", "of the line in 1/size", "samples"},
                {"fid_infinity.sizes", "of the subsets", "samples"},
                {"fid_infinity.distances", "at these sizes"}},
       .needs = MetricNeeds{.moments = true, .rows = all_rows_needed},
       .compute = compute_infinity,
       .protocol = [](const config::NoOptions&, const auto&...) { return covariance_protocol(); }});
}

}  // namespace ddls::metrics
