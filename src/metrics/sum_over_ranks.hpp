#pragma once
#include <ATen/core/Tensor.h>
#include <ATen/ops/full.h>

#include "dist/communicator.hpp"

namespace ddls::metrics {

// **Collective.**
inline double sum_over_ranks(dist::Communicator& comm, double mine) {
  at::Tensor sum = at::full({1}, mine, at::kDouble);
  comm.all_reduce(sum);
  return sum.item<double>();
}

}  // namespace ddls::metrics
