#pragma once
// Mean and covariance on disk, as pytorch-fid keeps them: an .npz with `mu` [F] and `sigma` [F, F]. Beside it lies,
// from us, PATH with the ending .json: what the numbers are of. A file of others has none.
#include <filesystem>

#include "base/json.hpp"
#include "metrics/moments.hpp"

namespace ddls::metrics {

bool is_statistics_file(const std::filesystem::path& path);  // an .npz that holds `mu`, maybe beside samples

// Throws Error(data): arrays missing, sizes that do not match, not finite, not symmetric. `count` is 0 without
// provenance.
GaussianStatistics read_statistics(const std::filesystem::path& path);

// Null where there is none, or a JSON file of another kind. Throws Error(data) where ours is damaged.
Json read_provenance(const std::filesystem::path& path);

// Both files; provenance gets "count" and "features".
void write_statistics(const std::filesystem::path& path, const GaussianStatistics& statistics, Json provenance);

// Throws Error(data) naming the file and the field, where the provenance says another thing than `expected` says:
// statistics of another extractor, resize or count are refused, not used. Fields that `expected` lacks are not looked
// at.
void require_provenance(const std::filesystem::path& path, const Json& provenance, const Json& expected);

}  // namespace ddls::metrics
