#include "metrics/reference_cache.hpp"

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/json_fields.hpp"
#include "base/log.hpp"
#include "metrics/statistics_file.hpp"

namespace ddls::metrics {
namespace {

CacheEntry entry_of(const fs::path& folder, const EvaluationSet& set, const std::string& found_by,
                    const Extractor* extractor) {
  const std::string network = extractor ? extractor->sha256 : "points";
  std::string name = fmt::format("{}-{}", found_by, network.substr(0, 16));
  // Without a resize the name that it had before there was a choice.
  if (extractor && extractor->resize.any())
    name +=
        fmt::format("-{}{}{}", extractor->resize.filter, extractor->resize.side, extractor->resize.rounded ? "" : "f");
  CacheEntry entry;
  entry.file = folder / (name + ".npz");
  entry.provenance = {{"schema", 1}, {"set", set.name}};
  return entry;
}

void add_protocol(CacheEntry& entry, const EvaluationSet& set, const Extractor* extractor) {
  entry.provenance.update({{"extractor", extractor ? extractor->name : "none: points"},
                           {"extractor_sha256", extractor ? extractor->sha256 : "points"},
                           {"resize", extractor ? extractor->resize.text() : "none"},
                           {"covariance_divisor", "n - 1"},
                           {"count", set.count}});
}

}  // namespace

CacheEntry cache_entry(const fs::path& folder, const EvaluationSet& set, const std::string& content,
                       const Extractor* extractor) {
  CacheEntry entry = entry_of(folder, set, content.substr(0, 16), extractor);
  entry.provenance["content_sha256"] = content;
  add_protocol(entry, set, extractor);
  return entry;
}

CacheEntry sample_entry(const fs::path& folder, const EvaluationSet& set, const std::string& digest,
                        const Extractor* extractor) {
  CacheEntry entry = entry_of(folder, set, "samples-" + digest, extractor);
  add_protocol(entry, set, extractor);
  return entry;
}

std::optional<CachedStatistics> cached_statistics(dist::Communicator& comm, const CacheEntry& entry) {
  std::optional<CachedStatistics> statistics;
  comm.together([&] {
    if (!fs::exists(entry.file)) return;
    auto expected = entry.provenance;
    for (const char* name : {"set", "extractor", "schema"}) expected.erase(name);  // names may change, hashes may not
    const auto provenance = read_provenance(entry.file);
    if (!provenance.is_object())
      fail(Exit::data, "'{}' has no provenance beside it; remove it, it will be made anew", entry.file.string());
    require_provenance(entry.file, provenance, expected);
    statistics = {read_statistics(entry.file), json_field_or(provenance, "digest", std::string(), entry.file)};
  });
  // All or none: a file system may show a new file to some ranks first.
  if (comm.any(!statistics)) return std::nullopt;
  log::info("statistics of {} from {}", entry.provenance["set"].get<std::string>(), entry.file.string());
  return statistics;
}

void store_statistics(dist::Communicator& comm, const CacheEntry& entry, const GaussianStatistics& statistics,
                      const std::string& digest) {
  comm.on_root([&] {
    make_folder(entry.file.parent_path());
    Json provenance = entry.provenance;
    if (!digest.empty()) provenance["digest"] = digest;
    write_statistics(entry.file, statistics, provenance);
  });
}

}  // namespace ddls::metrics
