#include "device/cuda_check.hpp"

#include <cuda_runtime_api.h>

#include "base/error.hpp"
#include "base/host.hpp"

namespace ddls::device::check {

static_assert(cudaSuccess == 0);

void cuda_failed(int code, const char* expression, const char* file, int line) {
  const auto error = static_cast<cudaError_t>(code);
  fail(Exit::runtime, "CUDA: {}: {} ({} at {}:{} on {})", cudaGetErrorName(error), cudaGetErrorString(error),
       expression, file_name(file), line, host_name());
}

}  // namespace ddls::device::check
