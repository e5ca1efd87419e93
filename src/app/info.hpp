#pragma once
#include <string>

#include "dist/topology.hpp"

namespace ddls::app {

// Versions, build options, devices, MPI, NCCL, CPU capability, transports and what can be done with them, for a person;
// as JSON into `json_file` too, if that is not empty. `launcher_mismatch`: why nothing else would start here; empty
// where all is well. Not collective: rank 0.
std::string info_text(const dist::Topology& topology, const std::string& launcher_mismatch,
                      const std::string& json_file);

}  // namespace ddls::app
