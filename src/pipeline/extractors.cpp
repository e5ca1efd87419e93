#include "pipeline/extractors.hpp"

#include <set>

#include "base/error.hpp"

namespace ddls::pipeline {

std::vector<metrics::Extractor> load_extractors(const std::vector<std::string>& files,
                                                const std::vector<int64_t>& sample_shape,
                                                const config::EvaluateConfig& config, c10::Device device) {
  std::vector<metrics::Extractor> extractors;
  std::set<std::string> names;
  for (const std::string& file : files) {
    extractors.push_back(metrics::load_extractor(file, sample_shape, device, metrics::resize_of(config)));
    if (!names.insert(extractors.back().name).second)
      fail(Exit::config, "evaluate.extractor: two networks are called '{}'; results are kept by name, so rename a file",
           extractors.back().name);
  }
  return extractors;
}

std::vector<metrics::MetricContext> contexts_of(dist::Communicator& comm, const config::EvaluateConfig& config,
                                                const std::vector<metrics::Extractor>& extractors, bool gaussians25) {
  std::vector<metrics::MetricContext> contexts;
  for (const metrics::Extractor& extractor : extractors) contexts.push_back({comm, config, &extractor, gaussians25});
  if (contexts.empty()) contexts.push_back({comm, config, nullptr, gaussians25});
  return contexts;
}

Json network_record(const metrics::Extractor& extractor) {
  return {{"name", extractor.name}, {"sha256", extractor.sha256}, {"features", extractor.features}};
}

void add_digest(Json& record, const std::string& digest) {
  if (!digest.empty()) record["digest"] = digest;
}

}  // namespace ddls::pipeline
