#pragma once
#include <nccl.h>

#include <cstddef>
#include <vector>

namespace ddls::fake_cuda {

size_t element_size(ncclDataType_t type);
const char* name_of(ncclDataType_t type);
const char* name_of(ncclRedOp_t op);

// out[i] = the reduction of in[rank][i], in the order of ranks; floating point in float64, integers in int64.
void reduce(const std::vector<const char*>& in, char* out, size_t count, ncclDataType_t type, ncclRedOp_t op);

}  // namespace ddls::fake_cuda
