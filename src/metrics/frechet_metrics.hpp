#pragma once
// Fréchet distances of whole sets and of parts of them. Statistics are all-reduced; a distance is computed by one rank
// and its bits are given to all. **Collective**, but for distance_to.
#include <optional>

#include "metrics/frechet.hpp"
#include "metrics/extract_set.hpp"

namespace ddls::metrics {

// Of the reference, on rank 0; nothing elsewhere.
std::optional<GaussianFactor> factor_on_root(dist::Communicator& comm, const GaussianStatistics& statistics,
                                             const std::string& what);

// The same on every rank, with equal bytes in equal places: a distance is the same whoever computes it.
GaussianFactor on_every_rank(dist::Communicator& comm, const std::optional<GaussianFactor>& of_root);

// Throws Error(data): statistics of different extractors.
double distance_to(const GaussianFactor& reference, const GaussianStatistics& own, const std::string& what);
double distance_on_root(dist::Communicator& comm, const GaussianStatistics& own, const std::string& what,
                        const std::optional<GaussianFactor>& reference);

// Statistics of the rows where `mask` ([rows.count] bool, the same on all ranks) is true.
GaussianStatistics statistics_where(dist::Communicator& comm, const FeatureBlocks& rows, const at::Tensor& mask,
                                    const std::string& what);

}  // namespace ddls::metrics
