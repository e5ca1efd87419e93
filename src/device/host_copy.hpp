#pragma once
// Copies to the host that run beside what is launched afterwards.
#include <ATen/core/Tensor.h>

#include <functional>

namespace ddls::device {

// Starts to copy a tensor of a GPU, as it will be when all that is launched on the calling thread's stream has run,
// into page-locked memory. Returns at once. The returned function waits for the copy and gives it; any thread may call
// it, once. Whoever writes into the tensor meanwhile spoils the copy. A program that was built without CUDA
// copies there and then.
std::function<at::Tensor()> copy_to_host(const at::Tensor& source);

}  // namespace ddls::device
