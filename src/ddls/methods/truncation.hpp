#pragma once
#include "ddls/method.hpp"

namespace ddls::sampling {

struct TruncationOptions {
  double bound = 1;  // |z_i| < bound
};

Method truncation(const TruncationOptions& options, const Target& target);

}  // namespace ddls::sampling
