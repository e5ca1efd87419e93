#include "fake_cuda/reduction.hpp"

#include <c10/util/BFloat16.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <type_traits>

namespace ddls::fake_cuda {
namespace {

template <typename T>
T value_at(const char* data, size_t i) {
  T value;
  std::memcpy(&value, data + i * sizeof(T), sizeof(T));
  return value;
}

template <typename T>
void reduce_as(const std::vector<const char*>& in, char* out, size_t count, ncclRedOp_t op) {
  using Sum = std::conditional_t<std::is_integral_v<T>, int64_t, double>;
  for (size_t i = 0; i < count; ++i) {
    Sum sum = static_cast<Sum>(value_at<T>(in[0], i));
    for (size_t rank = 1; rank < in.size(); ++rank) {
      const Sum other = static_cast<Sum>(value_at<T>(in[rank], i));
      sum = op == ncclMin ? std::min(sum, other) : op == ncclMax ? std::max(sum, other) : sum + other;
    }
    if (op == ncclAvg) sum /= static_cast<Sum>(in.size());
    T result;
    if constexpr (std::is_same_v<T, c10::BFloat16>)
      result = T(static_cast<float>(sum));
    else
      result = static_cast<T>(sum);
    std::memcpy(out + i * sizeof(T), &result, sizeof(T));
  }
}

}  // namespace

size_t element_size(ncclDataType_t type) {
  switch (type) {
    case ncclUint8:
      return 1;
    case ncclBfloat16:
      return 2;
    case ncclInt32:
    case ncclFloat32:
      return 4;
    case ncclInt64:
    case ncclFloat64:
      return 8;
    default:
      throw std::runtime_error("fake NCCL: a type that the channel does not send");
  }
}

const char* name_of(ncclDataType_t type) {
  switch (type) {
    case ncclUint8:
      return "uint8";
    case ncclBfloat16:
      return "bfloat16";
    case ncclInt32:
      return "int32";
    case ncclFloat32:
      return "float32";
    case ncclInt64:
      return "int64";
    case ncclFloat64:
      return "float64";
    default:
      return "another type";
  }
}

const char* name_of(ncclRedOp_t op) {
  switch (op) {
    case ncclSum:
      return "sum";
    case ncclAvg:
      return "mean";
    case ncclMin:
      return "min";
    case ncclMax:
      return "max";
    default:
      return "another reduction";
  }
}

void reduce(const std::vector<const char*>& in, char* out, size_t count, ncclDataType_t type, ncclRedOp_t op) {
  switch (type) {
    case ncclUint8:
      return reduce_as<uint8_t>(in, out, count, op);
    case ncclBfloat16:
      return reduce_as<c10::BFloat16>(in, out, count, op);
    case ncclInt32:
      return reduce_as<int32_t>(in, out, count, op);
    case ncclInt64:
      return reduce_as<int64_t>(in, out, count, op);
    case ncclFloat32:
      return reduce_as<float>(in, out, count, op);
    case ncclFloat64:
      return reduce_as<double>(in, out, count, op);
    default:
      throw std::runtime_error("fake NCCL: a type that the channel does not send");
  }
}

}  // namespace ddls::fake_cuda
