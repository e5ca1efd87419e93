#pragma once
#include "models/factory.hpp"
#include "models/network.hpp"
#include "test_device.hpp"

namespace ddls::test {

// On the device of the tests.
inline models::NetworkPtr make_network(const config::ModelConfig& config, models::Role role,
                                       const models::SampleShape& shape, uint64_t seed) {
  models::NetworkPtr network = models::make_network(config, role, shape, seed);
  network->to(device());
  return network;
}

}  // namespace ddls::test
