#include <nccl.h>

#include "base/error.hpp"
#include "base/host.hpp"
#include "dist/check.hpp"

namespace ddls::dist::check {

static_assert(nccl_in_progress == ncclInProgress && ncclSuccess == 0);

void nccl_failed(int code, const char* expression, const char* file, int line) {
  const char* detail = ncclGetLastError(nullptr);
  fail(Exit::runtime, "NCCL: {}: {} ({} at {}:{} on {})", ncclGetErrorString(static_cast<ncclResult_t>(code)),
       detail ? detail : "no detail", expression, file_name(file), line, host_name());
}

}  // namespace ddls::dist::check
