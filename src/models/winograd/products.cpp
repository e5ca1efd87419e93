#include "models/winograd/products.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/native/CPUBlas.h>

#include <algorithm>

namespace ddls::winograd {
namespace {

bool by_onednn(at::ScalarType type) {
  static const bool slow_mkl = at::get_cpu_capability() == "AVX512" && __builtin_cpu_is("amd");
  return slow_mkl && type == at::kFloat;
}

void multiply_by_onednn(const at::Tensor& result, const at::Tensor& left, const at::Tensor& right) {
  constexpr int64_t columns = 64;  // at a time: right's part then stays in the second cache
  const int64_t planes = left.size(0), rows = left.size(1), inner = left.size(2), width = right.size(2);
  const float *const a = left.const_data_ptr<float>(), *const b = right.const_data_ptr<float>();
  float* const c = result.data_ptr<float>();
  at::parallel_for(0, planes, 1, [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p)
      for (int64_t from = 0; from < width; from += columns)
        at::native::cpublas::brgemm(rows, std::min(columns, width - from), inner, left.stride(1), right.stride(1),
                                    result.stride(1), /*add_C=*/false, a + p * left.stride(0),
                                    b + p * right.stride(0) + from, c + p * result.stride(0) + from);
  });
}

}  // namespace

at::Tensor laid_out(const at::Tensor& right) { return by_onednn(right.scalar_type()) ? right.contiguous() : right; }

void multiply_planes(at::Tensor result, const at::Tensor& left, const at::Tensor& right) {
  if (by_onednn(left.scalar_type()))
    multiply_by_onednn(result, left, right);
  else
    at::bmm_out(result, left, right);
}

}  // namespace ddls::winograd
