#pragma once
// Mean and covariance of reference sets, kept between runs (evaluate.cache). A file is found by the hash of the set's
// content and of the extractor; what lies beside it must say the same, or it is refused.
#include <filesystem>
#include <optional>

#include "base/json.hpp"
#include "dist/communicator.hpp"
#include "metrics/features.hpp"
#include "metrics/evaluation_set.hpp"

namespace ddls::metrics {

struct CacheEntry {
  std::filesystem::path file;
  Json provenance;
};

// Hashes the set. **Collective.**
CacheEntry cache_entry(dist::Communicator& comm, const std::filesystem::path& folder, const EvaluationSet& set,
                       const Extractor* extractor);

// **Collective.** Nothing where there is no such file; throws CollectiveError(data) where it is of something else.
std::optional<GaussianStatistics> cached_statistics(dist::Communicator& comm, const CacheEntry& entry);

void store_statistics(dist::Communicator& comm, const CacheEntry& entry,
                      const GaussianStatistics& statistics);  // **Collective.**

}  // namespace ddls::metrics
