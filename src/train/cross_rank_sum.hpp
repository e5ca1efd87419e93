#pragma once
// A sum over ranks that autograd differentiates, as often as asked: its gradient is the same sum of the gradients. For
// batch norm over the global batch.
#include <ATen/core/Tensor.h>

#include <functional>

#include "dist/communicator.hpp"

namespace ddls::train {

// The function is **collective**, in the forward pass and in every backward pass through it: all ranks run the same
// graph. `comm` must outlive it and all graphs.
std::function<at::Tensor(const at::Tensor&)> cross_rank_sum(dist::Communicator& comm);

}  // namespace ddls::train
