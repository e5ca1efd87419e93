#include "metrics/reference_cache.hpp"

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/log.hpp"
#include "metrics/statistics_file.hpp"

namespace ddls::metrics {

CacheEntry cache_entry(dist::Communicator& comm, const fs::path& folder, const EvaluationSet& set,
                       const Extractor* extractor) {
  const std::string content = comm.on_root([&] { return set.content_hash(); });
  const std::string network = extractor ? extractor->sha256 : "points";
  CacheEntry entry;
  entry.file = folder / fmt::format("{}-{}.npz", content.substr(0, 16), network.substr(0, 16));
  entry.provenance = {{"schema", 1},
                      {"set", set.name},
                      {"content_sha256", content},
                      {"extractor", extractor ? extractor->name : "none: points"},
                      {"extractor_sha256", network},
                      {"resize", extractor ? "by the extractor" : "none"},
                      {"covariance_divisor", "n - 1"},
                      {"count", set.count}};
  return entry;
}

std::optional<GaussianStatistics> cached_statistics(dist::Communicator& comm, const CacheEntry& entry) {
  std::optional<GaussianStatistics> statistics;
  comm.together([&] {
    if (!fs::exists(entry.file)) return;
    auto expected = entry.provenance;
    for (const char* name : {"set", "extractor", "schema"}) expected.erase(name);  // names may change, hashes may not
    const auto provenance = read_provenance(entry.file);
    if (!provenance.is_object())
      fail(Exit::data, "'{}' has no provenance beside it; remove it, it will be made anew", entry.file.string());
    require_provenance(entry.file, provenance, expected);
    statistics = read_statistics(entry.file);
  });
  // All or none: a file system may show a new file to some ranks first.
  if (comm.any(!statistics)) return std::nullopt;
  log::info("statistics of {} from {}", entry.provenance["set"].get<std::string>(), entry.file.string());
  return statistics;
}

void store_statistics(dist::Communicator& comm, const CacheEntry& entry, const GaussianStatistics& statistics) {
  comm.on_root([&] {
    make_folder(entry.file.parent_path());
    write_statistics(entry.file, statistics, entry.provenance);
  });
}

}  // namespace ddls::metrics
