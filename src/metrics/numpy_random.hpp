#pragma once
// The one piece of numpy's legacy generator that a published protocol depends on: RandomState(seed).permutation(n), of
// which RandomState.choice(n, size, replace=False) is the beginning. Mersenne twister, Fisher-Yates from the end,
// bounded draws by masking and rejection.
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <random>

namespace ddls::metrics {

class NumpyRandom {
 public:
  explicit NumpyRandom(uint32_t seed) : generator_(seed) {}
  at::Tensor permutation(int64_t n);  // [n] int64, n below 2^32

 private:
  std::mt19937 generator_;
};

}  // namespace ddls::metrics
