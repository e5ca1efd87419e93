#pragma once
// Fréchet distances of whole sets and of parts of them. Statistics are all-reduced; the distance itself is computed by
// rank 0 and its bits are given to all. **Collective**, all of them.
#include <nlohmann/json.hpp>
#include <optional>

#include "metrics/frechet.hpp"
#include "metrics/extract_set.hpp"

namespace ddls {

// Of the reference, on rank 0; nothing elsewhere.
std::optional<GaussianFactor> factor_on_root(Communicator& comm, const GaussianStatistics& statistics,
                                             const std::string& what);

double distance_on_root(Communicator& comm, const GaussianStatistics& own, const std::string& what,
                        const std::optional<GaussianFactor>& reference);

// Statistics of the rows where `mask` ([rows.count] bool, the same on all ranks) is true.
GaussianStatistics statistics_where(Communicator& comm, const FeatureBlocks& rows, const at::Tensor& mask,
                                    const std::string& what);

// The next three need all rows of the set.

// Distance without the bias of a finite set (metrics/extrapolation.hpp). {"value", "slope", "sizes", "distances"}.
nlohmann::ordered_json fid_infinity(Communicator& comm, const SetFeatures& own,
                                    const std::optional<GaussianFactor>& reference);

// Standard error of the distance by the jackknife: 10 contiguous tenths are left out in turn.
double fid_standard_error(Communicator& comm, const SetFeatures& own, const std::optional<GaussianFactor>& reference);

// Mean over the classes, which are matched by name, of the distances between samples of one class. Classes with fewer than 2
// samples in either set are named as left out. {"mean", "classes", "left_out", "per_class": {"cat": ..}}; where both sets
// have plain numbers for classes, "left_out" has them as numbers. Warns of classes that one set alone has. Throws
// CollectiveError(data): no class in common.
nlohmann::ordered_json intra_class_fid(Communicator& comm, const SetFeatures& own, const SetFeatures& reference);

}  // namespace ddls
