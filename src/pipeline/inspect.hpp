#pragma once
// What a set holds, what is converted on the way to pixels, what is left out and why.
#include <string>

#include "base/json.hpp"
#include "dist/communicator.hpp"

namespace ddls::pipeline {

struct Inspection {
  Json record;       // docs/formats.md
  std::string text;  // the same for a person
};

// **Collective**: every sample is decoded once, by one of the ranks. The result is on rank 0, empty elsewhere. `path`
// is anything that open_inspected_set opens. Throws CollectiveError: missing, data.
Inspection inspect_set(const std::string& path, dist::Communicator& comm);

}  // namespace ddls::pipeline
