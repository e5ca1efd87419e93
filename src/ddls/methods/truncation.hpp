#pragma once
#include "ddls/method.hpp"

namespace ddls {

struct TruncationOptions {
  double bound = 1;  // |z_i| < bound
};

Method truncation(const TruncationOptions& options, const Target& target);

}  // namespace ddls
