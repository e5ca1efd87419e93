#pragma once
// A GAN that no run of ours has trained: scripted_gan.hpp, weights_gan.hpp.
#include <cstdint>
#include <vector>

#include "ddls/target.hpp"

namespace ddls::sampling {

struct ForeignGan {
  Target target;
  std::vector<int64_t> sample_shape;
  uint64_t digest = 0;  // of both files
};

}  // namespace ddls::sampling
