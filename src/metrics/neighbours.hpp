#pragma once
// The training images nearest to a few samples, by the distance of pixels and by that of features: what shows whether a
// generator repeats its training set. Ranks search blocks of their own and hold one block at a time; the result does
// not depend on how many there are.
#include <ATen/core/Tensor.h>

#include <optional>

#include "dist/communicator.hpp"
#include "metrics/features.hpp"
#include "metrics/evaluation_set.hpp"

namespace ddls::metrics {

// The nearest first; equal distances by id.
struct NearestRows {
  at::Tensor ids;        // [queries, k] int64
  at::Tensor distances;  // [queries, k] float64, Euclidean
};

struct ImageNeighbours {
  NearestRows by_pixels;    // of values 0 .. 255
  NearestRows by_features;  // of the extractor
};

// `queries`: uint8 [q, C, H, W], the same on all ranks, of the shape of the set's images. `batch`: images per pass
// through the network. k is cut to the size of the set. On rank 0; nothing elsewhere. **Collective.** Throws
// CollectiveError: data (a damaged image, or one of another shape; named).
std::optional<ImageNeighbours> nearest_images(dist::Communicator& comm, const EvaluationSet& set,
                                              const Extractor& extractor, const at::Tensor& queries, int64_t k,
                                              int64_t batch);

}  // namespace ddls::metrics
