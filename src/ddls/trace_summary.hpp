#pragma once
// The diagnostics of a run's traces as they stand in manifest.json and report.json.
#include <ATen/core/Tensor.h>

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/json.hpp"

namespace ddls::sampling {

// `traces`: [records, chains, trace_names], or undefined where none were kept; `record_steps`: the step of each record.
// The first half of the records is left out: chains start from the prior. Gives "rhat" (the largest over the scalars),
// "ess_per_chain" and "tail_ess_per_chain" (the smallest; draws are records) and "diagnosed" (chains, records, from
// which step and over how many steps, the scalars one by one, with the integrated autocorrelation time in steps). What
// cannot be computed is null with a "why" beside it.
Json trace_summary(const at::Tensor& traces, const std::vector<int64_t>& record_steps);

// The same where there is nothing to compute it from.
Json no_diagnostics(const std::string& why);

}  // namespace ddls::sampling
