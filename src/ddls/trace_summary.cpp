#include "ddls/trace_summary.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "base/error.hpp"
#include "base/json.hpp"
#include "ddls/diagnostics.hpp"
#include "ddls/sample_store.hpp"

namespace ddls::sampling {

Json no_diagnostics(const std::string& why) { return {{"rhat", nullptr}, {"ess_per_chain", nullptr}, {"why", why}}; }

Json trace_summary(const at::Tensor& traces, const std::vector<int64_t>& record_steps) {
  if (!traces.defined()) return no_diagnostics("no chains were kept for it (sample.diagnosed_chains is 0)");
  // Start and end are recorded out of turn: only records at equal distances make a series.
  const int64_t every = record_steps.size() > 1 ? record_steps[1] - record_steps[0] : 0;
  auto records = static_cast<int64_t>(record_steps.size());
  if (records > 1 && record_steps[records - 1] - record_steps[records - 2] != every) --records;
  const int64_t first = (records + 1) / 2, draws = records - first, chains = traces.size(1);
  if (draws < fewest_draws)
    return no_diagnostics(fmt::format(
        "{} records in the second half of the chains, {} are needed (sample.record_every)", draws, fewest_draws));
  if (chains < 2) return no_diagnostics("one chain");

  const at::Tensor kept = traces.narrow(0, first, draws).permute({2, 1, 0}).contiguous();  // [scalars, chains, draws]
  double worst_rhat = 0, fewest = INFINITY, fewest_tail = INFINITY;
  Json scalars = Json::object();
  const std::vector<std::string> names = trace_names(traces.size(2) - fewest_trace_columns);
  for (size_t s = 0; s < names.size(); ++s) {
    const at::Tensor series = kept[static_cast<int64_t>(s)];
    const double rhat = rank_rhat(series), ess = bulk_ess(series) / static_cast<double>(chains),
                 tail = tail_ess(series) / static_cast<double>(chains);
    if (!std::isfinite(rhat) || !std::isfinite(ess)) {
      scalars[names[s]] = no_diagnostics("it does not vary");
      continue;
    }
    worst_rhat = std::max(worst_rhat, rhat);
    fewest = std::min(fewest, ess);
    fewest_tail = std::min(fewest_tail, tail);
    scalars[names[s]] = {{"rhat", rhat},
                         {"ess_per_chain", ess},
                         {"tail_ess_per_chain", tail},
                         {"autocorrelation_steps", autocorrelation_time(series) * static_cast<double>(every)}};
  }
  if (!std::isfinite(fewest)) return no_diagnostics("no scalar of the chains varies");
  return {{"rhat", worst_rhat},
          {"ess_per_chain", fewest},
          {"tail_ess_per_chain", fewest_tail},
          {"diagnosed",
           {{"chains", chains},
            {"records", draws},
            {"from_step", record_steps[first]},
            {"steps", draws * every},
            {"scalars", scalars}}}};
}

}  // namespace ddls::sampling
