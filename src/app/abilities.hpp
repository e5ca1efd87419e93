#pragma once
#include <string>
#include <vector>

#include "dist/topology.hpp"

namespace ddls::app {

// Something that this program can do on this machine, or cannot.
struct Ability {
  std::string name;  // "nccl"
  bool here = false;
  std::string note;  // how, or why not; may be empty
};

// Transports, graphs, kernels and precisions, of the device that `topology` chose. Compiles the kernels of a GPU.
std::vector<Ability> abilities(const dist::Topology& topology);

}  // namespace ddls::app
