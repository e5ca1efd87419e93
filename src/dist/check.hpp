#pragma once
// Calls of C libraries, checked: on failure an Error(runtime) with the library's text, the expression, the place and
// the host. The communicator adds rank, operation and size. DDLS_CUDA is in device/cuda_check.hpp.
//   DDLS_MPI(MPI_Barrier(comm));
// The NCCL version exists only where the CUDA parts are built.
namespace ddls::dist::check {

[[noreturn]] void mpi_failed(int code, const char* expression, const char* file, int line);
[[noreturn]] void nccl_failed(int code, const char* expression, const char* file, int line);

inline constexpr int nccl_in_progress = 7;  // ncclInProgress: a non-blocking call that has not ended is no failure

}  // namespace ddls::dist::check

// Both libraries call success 0.
#define DDLS_MPI(expr)                                                       \
  do {                                                                       \
    if (const int ddls_code = (expr); ddls_code != 0)                        \
      ::ddls::dist::check::mpi_failed(ddls_code, #expr, __FILE__, __LINE__); \
  } while (false)

#define DDLS_NCCL(expr)                                                       \
  do {                                                                        \
    if (const int ddls_code = static_cast<int>(expr);                         \
        ddls_code != 0 && ddls_code != ::ddls::dist::check::nccl_in_progress) \
      ::ddls::dist::check::nccl_failed(ddls_code, #expr, __FILE__, __LINE__); \
  } while (false)
