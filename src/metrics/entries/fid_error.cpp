// Standard error of the Fréchet distance by the jackknife: 10 contiguous tenths are left out in turn.
#include <ATen/ATen.h>

#include "base/json.hpp"
#include "metrics/dealt.hpp"
#include "metrics/entry.hpp"
#include "metrics/extrapolation.hpp"
#include "metrics/frechet_metrics.hpp"
#include "metrics/rounding.hpp"

namespace ddls::metrics {
namespace {

constexpr int64_t jackknife_groups = 10;

double fid_standard_error(dist::Communicator& comm, const SetFeatures& own, const GaussianFactor& reference) {
  const int64_t n = own.rows.count;
  const auto statistics_without = [&](int64_t group) {
    at::Tensor mask = at::ones({n}, at::kBool);
    const int64_t from = group * n / jackknife_groups, to = (group + 1) * n / jackknife_groups;
    mask.narrow(0, from, to - from).fill_(false);
    return statistics_where(comm, own.rows, mask, own.name);
  };
  const std::vector<double> distances =
      dealt(comm, "error of FD", jackknife_groups, statistics_without,
            [&](int64_t, const GaussianStatistics& part) { return distance_to(reference, part, own.name); });
  const at::Tensor d = at::tensor(distances, at::kDouble);
  const auto deviation = d.std(/*unbiased=*/false).item<double>();
  return std::sqrt(jackknife_groups - 1) * without_rounding(deviation, d.abs().max().item<double>());
}

Json compute_error(const config::NoOptions&, const MetricInputs& in) {
  if (in.own.count < least_for_extrapolation)
    return no_value("frechet_distance_std", fmt::format("fewer than {} samples", least_for_extrapolation));
  return {{"frechet_distance_std",
           fid_standard_error(in.context.comm, in.own, on_every_rank(in.context.comm, in.reference.factor))}};
}

}  // namespace

Metric fid_error_metric() {
  return described<config::NoOptions>({.name = "fid_error",
                                       .summary = "standard error of the Fréchet distance; costs ten of them",
                                       .brings = {"fid"},  // an error is of use beside its value alone
                                       .keys = {{"frechet_distance_std", "its standard error (fid_error)"}},
                                       .needs = MetricNeeds{.moments = true, .rows = all_rows_needed},
                                       .compute = compute_error});
}

}  // namespace ddls::metrics
