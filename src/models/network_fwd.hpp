#pragma once
// What headers need to know of networks. Files that call them include models/network.hpp, which takes 8 s more to
// compile.
#include <cstdint>
#include <memory>
#include <vector>

namespace ddls::models {

class Network;
using NetworkPtr = std::shared_ptr<Network>;
using SampleShape = std::vector<int64_t>;  // of one sample: {2}, {1, 28, 28}

}  // namespace ddls::models
