#pragma once
// The feature networks of an evaluation, and what records say of them.
#include <string>
#include <vector>

#include "base/json.hpp"
#include "config/config.hpp"
#include "metrics/features.hpp"
#include "metrics/set_metrics.hpp"

namespace ddls::pipeline {

// With the resize that evaluate.resize asks for. Not collective. Throws Error: what load_extractor throws; config (two
// of one name, by which results are kept).
std::vector<metrics::Extractor> load_extractors(const std::vector<std::string>& files,
                                                const std::vector<int64_t>& sample_shape,
                                                const config::EvaluateConfig& config, c10::Device device);

// One per network; one without any for points.
std::vector<metrics::MetricContext> contexts_of(dist::Communicator& comm, const config::EvaluateConfig& config,
                                                const std::vector<metrics::Extractor>& extractors,
                                                bool gaussians25 = false);

Json network_record(const metrics::Extractor& extractor);

// Adds the digest of samples to what is recorded of them, where it is known.
void add_digest(Json& record, const std::string& digest);

}  // namespace ddls::pipeline
