#pragma once
// Collectives between GPUs, as a table of functions: whoever holds it need not know NCCL.
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>

#include "dist/communicator.hpp"

namespace ddls::dist {

// Contiguous CUDA tensors on the device given to connect_nccl. `number` is the communicator's count of operations, for
// messages. Both enqueue and return; the result is there for work that is launched after wait().
struct DeviceCollectives {
  std::function<Pending(const at::Tensor& tensor, Reduce op, uint64_t number)> all_reduce;
  std::function<Pending(const at::Tensor& tensor, int root, uint64_t number)> broadcast;
};

std::string nccl_version();    // "2.28.9" of the library that is loaded; empty where the program is built without
std::string nccl_unique_id();  // made by one rank, to be given to all

// What a thread of the channel calls; any of them may be empty.
struct NcclCallbacks {
  std::function<std::string(uint64_t number)> missing = {};       // who has not come to this operation
  std::function<void(uint64_t number)> ended = {};                // seen within a fifth of a second
  std::function<void(const std::string& message)> tell_end = {};  // before the process ends; else the message is logged
};

// **Collective**: returns when all ranks are connected, throws Error(runtime) if that takes some seconds longer than
// `timeout_s` (0: no limit); whoever calls it under a watchdog of that limit hears first who is missing. A collective
// that takes longer than that later on, or fails on the device, ends the process (71) with what `missing` says of its
// number.
DeviceCollectives connect_nccl(const std::string& unique_id, int rank, int ranks, int device, double timeout_s,
                               NcclCallbacks callbacks);

}  // namespace ddls::dist
