#pragma once

namespace ddls::metrics {

struct MeanStd {
  double mean = 0, std = 0;  // divisor: the number of values
};

}  // namespace ddls::metrics
