#pragma once
// The one place that knows which architectures there are. To add one: a file that makes its networks, a word in
// config/bind.cpp, a case here.
#include <cstdint>
#include <string>

#include "config/config.hpp"
#include "models/network_fwd.hpp"

namespace ddls::models {

enum class Role { generator, discriminator, ratio };

// Weights are initialised from (seed, role, index of the parameter): the same on every rank without communication.
// Throws Error(config) where the architecture cannot make samples of this shape.
NetworkPtr make_network(const config::ModelConfig& config, Role role, const SampleShape& sample_shape, uint64_t seed);

int64_t parameter_count(const Network& network);

}  // namespace ddls::models
