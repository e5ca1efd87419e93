#pragma once
// Numbers of many draws or reals, by all ranks: whole blocks go to ranks, so that what is computed does not depend on
// how many there are.
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>

#include "base/blocks.hpp"
#include "dist/communicator.hpp"

namespace ddls::train {

inline constexpr int64_t measured_block = 64;  // rows

// The rows of `measure` for the blocks of [0, count), without gradients: [count, columns] float32, CPU, on rank 0;
// undefined on the others. `measure`: [measured_block, columns], of the padded block; it must not communicate. Shows
// progress as `what`, and stops with exit code 75 on a signal. **Collective.**
at::Tensor rows_by_all_ranks(int64_t count, const std::function<at::Tensor(const Block&)>& measure, const char* what,
                             dist::Communicator& comm);

}  // namespace ddls::train
