#pragma once
// What becomes of images that are not as they should be, and what the record says of it. **Collective**, all of it.

#include "base/json.hpp"
#include "dist/communicator.hpp"
#include "metrics/evaluation_set.hpp"

namespace ddls::metrics {

// The set without its damaged images, where it is one of data.damaged: skip; each image is decoded once, by one rank,
// and again when it is evaluated. Warns of them. Throws CollectiveError(data) where none is left.
EvaluationSet without_damaged(dist::Communicator& comm, EvaluationSet set);

// {"name", "count"}, "damaged" where images were left out, and "pixels": how those that are more than plain samples
// were read, as far as they have been read. Logs what other ranks met.
Json record_of(dist::Communicator& comm, const EvaluationSet& set);

}  // namespace ddls::metrics
