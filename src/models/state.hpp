#pragma once
// Weights and buffers of a network under their module names, and back.
#include <string>

#include "models/network_fwd.hpp"
#include "tensor/npz.hpp"

namespace ddls::models {

tensor::NamedTensors state_of(const Network& network);  // CPU copies
// Throws Error(data) naming `source` and the first tensor that is missing, left over, or of another shape.
void load_state(Network& network, const tensor::NamedTensors& state, const std::string& source);
uint64_t digest_of(const tensor::NamedTensors& state);
uint64_t digest_of(const Network& network);

}  // namespace ddls::models
