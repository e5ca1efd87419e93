#include <cuda_runtime_api.h>
#include <nccl.h>

#include "base/error.hpp"
#include "dist/check.hpp"
#include "dist/host.hpp"

namespace ddls::check {

static_assert(nccl_in_progress == ncclInProgress && ncclSuccess == 0 && cudaSuccess == 0);

void cuda_failed(int code, const char* expression, const char* file, int line) {
  const auto error = static_cast<cudaError_t>(code);
  fail(Exit::runtime, "CUDA: {}: {} ({} at {}:{} on {})", cudaGetErrorName(error), cudaGetErrorString(error),
       expression, file_name(file), line, host_name());
}

void nccl_failed(int code, const char* expression, const char* file, int line) {
  const char* detail = ncclGetLastError(nullptr);
  fail(Exit::runtime, "NCCL: {}: {} ({} at {}:{} on {})", ncclGetErrorString(static_cast<ncclResult_t>(code)),
       detail ? detail : "no detail", expression, file_name(file), line, host_name());
}

}  // namespace ddls::check
