#pragma once
#include <string>

#include "ddls/method.hpp"

namespace ddls::sampling {

struct UnderdampedOptions {
  int64_t steps = 1000;
  double step_size = 0.1;  // h
  double friction = 1;     // gamma
  double temperature = 1;
  std::string splitting = "obabo";  // obabo | baoab
  bool adjust = false;              // Metropolis test on the inner step: exact
};

Method underdamped(const UnderdampedOptions& options, const Target& target, const tensor::Noise& noise);

}  // namespace ddls::sampling
