#pragma once
#include <string>

#include "ddls/method.hpp"

namespace ddls::sampling {

struct DotOptions {
  int64_t steps = 10;
  double lr = 0.01;
  std::string projection = "exact";  // of the gradient on the sphere |z| = const: exact | published | none
};

Method dot(const DotOptions& options, const Target& target, const tensor::Noise& noise);

}  // namespace ddls::sampling
