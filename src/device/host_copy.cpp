#include "device/host_copy.hpp"

#include <ATen/ATen.h>
#include <ATen/cuda/CUDAEvent.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

namespace ddls::device {

std::function<at::Tensor()> copy_to_host(const at::Tensor& source) {
  const c10::DeviceIndex device = source.device().index();
  at::Tensor to = at::empty(source.sizes(), source.options().device(at::kCPU).pinned_memory(true));
  at::cuda::CUDAEvent ready;
  ready.record(c10::cuda::getCurrentCUDAStream(device));
  const auto copied = std::make_shared<at::cuda::CUDAEvent>();
  {
    const c10::cuda::CUDAStreamGuard beside(c10::cuda::getStreamFromPool(false, device));
    ready.block(c10::cuda::getCurrentCUDAStream(device));
    to.copy_(source, /*non_blocking=*/true);
    copied->record(c10::cuda::getCurrentCUDAStream(device));
  }
  // The source stays until then: its memory would be handed out again for work on the other stream.
  // A thread whose first call to CUDA is a wait would open a context of its own on GPU 0: half a GB there for every
  // rank.
  return [source, to, copied, device] {
    c10::cuda::set_device(device);
    copied->synchronize();
    return to;
  };
}

}  // namespace ddls::device
