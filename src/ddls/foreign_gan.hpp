#pragma once
// A GAN that no run of ours has trained: scripted_gan.hpp, weights_gan.hpp.
#include <cstdint>
#include <string>
#include <vector>

#include "ddls/target.hpp"

namespace ddls::sampling {

struct ForeignGan {
  Target target;
  std::vector<int64_t> sample_shape;
  uint64_t digest = 0;        // of both files
  std::string compiled = {};  // of an archive: the instruction set of compiled programs that run; empty: none
};

}  // namespace ddls::sampling
