#pragma once
// Mean and covariance of reference sets, kept between runs (evaluate.cache). A file is found by the hash of the set's
// content, of the extractor, and by the resize before it; what lies beside it must say the same, or it is refused.
#include <filesystem>
#include <optional>
#include <string>

#include "base/json.hpp"
#include "dist/communicator.hpp"
#include "metrics/features.hpp"
#include "metrics/evaluation_set.hpp"

namespace ddls::metrics {

struct CacheEntry {
  std::filesystem::path file;
  Json provenance;
};

// `content`: the set's content_hash.
CacheEntry cache_entry(const std::filesystem::path& folder, const EvaluationSet& set, const std::string& content,
                       const Extractor* extractor);

// Of a set that was evaluated (evaluate.keep_statistics), found by the digest of its samples.
CacheEntry sample_entry(const std::filesystem::path& folder, const EvaluationSet& set, const std::string& digest,
                        const Extractor* extractor);

struct CachedStatistics {
  GaussianStatistics gaussian;
  std::string digest;  // of the samples; empty where the file does not say
};

// **Collective.** Nothing where there is no such file; throws CollectiveError(data) where it is of something else.
std::optional<CachedStatistics> cached_statistics(dist::Communicator& comm, const CacheEntry& entry);

// **Collective.** `digest`: as SetFeatures has it.
void store_statistics(dist::Communicator& comm, const CacheEntry& entry, const GaussianStatistics& statistics,
                      const std::string& digest);

}  // namespace ddls::metrics
