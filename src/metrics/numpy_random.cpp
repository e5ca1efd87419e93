#include "metrics/numpy_random.hpp"

#include <ATen/ATen.h>

#include <bit>
#include <utility>

namespace ddls::metrics {

at::Tensor NumpyRandom::permutation(int64_t n) {
  at::Tensor order = at::arange(n, at::kLong);
  auto* const item = order.mutable_data_ptr<int64_t>();
  for (int64_t i = n - 1; i > 0; --i) {
    const auto top = static_cast<uint32_t>(i);
    const auto mask = static_cast<uint32_t>(std::bit_ceil(uint64_t{top} + 1) - 1);
    uint32_t draw = 0;
    do {
      draw = static_cast<uint32_t>(generator_()) & mask;
    } while (draw > top);
    std::swap(item[i], item[draw]);
  }
  return order;
}

}  // namespace ddls::metrics
