#pragma once
// Calls of the CUDA runtime, checked: on failure an Error(runtime) with CUDA's text, the expression, the place and the
// host.
//   DDLS_CUDA(cudaStreamSynchronize(stream));
// Exists only where the CUDA parts are built.
namespace ddls::device::check {

[[noreturn]] void cuda_failed(int code, const char* expression, const char* file, int line);

}  // namespace ddls::device::check

#define DDLS_CUDA(expr)                                                         \
  do {                                                                          \
    if (const int ddls_code = static_cast<int>(expr); ddls_code != 0)           \
      ::ddls::device::check::cuda_failed(ddls_code, #expr, __FILE__, __LINE__); \
  } while (false)
