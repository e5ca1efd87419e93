#pragma once
// evaluate --fake SET --real SET --extractor E.pt: one pair of sets.
#include <string>

#include "app/command_line.hpp"
#include "dist/communicator.hpp"

namespace ddls {

// **Collective.** Returns the JSON text (one "metrics" object and the provenance), on rank 0; writes it to --json if given.
std::string evaluate_sets(const CommandLine& line, Communicator& comm);

}  // namespace ddls
