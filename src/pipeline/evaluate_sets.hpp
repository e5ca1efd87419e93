#pragma once
// One pair of sets, without a run (`ddls_dist evaluate --fake SET --real SET --extractor E.pt`).
#include <string>
#include <vector>

#include "config/config.hpp"
#include "dist/communicator.hpp"

namespace ddls::pipeline {

struct SetPair {
  std::string fake, real;                    // folders of images, .npz, samples folders, or statistics
  std::vector<std::string> extractors = {};  // .pt2 or TorchScript; empty: evaluate.extractor. Points need none
  std::string train = {};  // what the generator was trained on, for metrics that ask for copies; may be empty
};

// **Collective.** Returns the result as JSON text: one "metrics" object and the provenance; of several networks the
// first one's, and those of all "by_extractor". Throws CollectiveError:
// usage, missing, data, config.
std::string evaluate_sets(const config::Config& config, const SetPair& sets, dist::Communicator& comm);

}  // namespace ddls::pipeline
