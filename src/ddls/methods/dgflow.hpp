#pragma once
#include <string>

#include "ddls/method.hpp"

namespace ddls::sampling {

struct DgflowOptions {
  int64_t steps = 25;
  double step_size = 0.1;         // eta
  double gamma = 0.01;            // weight of the noise
  std::string divergence = "kl";  // kl | js | log_d | chi2
};

Method dgflow(const DgflowOptions& options, const Target& target, const tensor::Noise& noise);

}  // namespace ddls::sampling
