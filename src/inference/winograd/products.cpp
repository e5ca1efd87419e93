#include "inference/winograd/products.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/native/CPUBlas.h>

#include <algorithm>

#include "base/error.hpp"
#include "inference/processor.hpp"

namespace ddls::inference::winograd {
namespace {

bool slow_mkl() {
  static const bool slow = at::get_cpu_capability() == "AVX512" && __builtin_cpu_is("amd");
  return slow;
}

// So many that the factor's part stays in the second cache.
int64_t columns_at_a_time(int64_t width, at::ScalarType type) {
  if (type == at::kFloat) return 64;
  for (const int64_t columns : {64, 48, 32, 16})  // what its pairs can be laid out for
    if (width % columns == 0) return columns;
  fail(Exit::internal, "{} columns of bfloat16", width);
}

template <typename T>
void multiply_by_onednn(const at::Tensor& result, const at::Tensor& left, const at::Tensor& right, int64_t width,
                        int64_t columns) {
  constexpr bool pairs = std::is_same_v<T, at::BFloat16>;
  const int64_t planes = left.size(0), rows = left.size(1), inner = left.size(2);
  const T *const a = left.const_data_ptr<T>(), *const b = right.const_data_ptr<T>();
  float* const c = result.data_ptr<float>();
  at::parallel_for(0, planes, 1, [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p)
      for (int64_t from = 0; from < width; from += columns)
        at::native::cpublas::brgemm(rows, std::min(columns, width - from), inner, left.stride(1),
                                    pairs ? columns : width, result.stride(1), /*add_C=*/false, a + p * left.stride(0),
                                    b + p * right.stride(0) + (pairs ? from * inner : from),
                                    c + p * result.stride(0) + from, pairs);
    if (pairs) at::native::cpublas::brgemm_release();
  });
}

}  // namespace

// With tiles of AMX the plain form is fast, and what the transforms add to the products costs more than it saves.
bool bfloat16_pays() { return multiplies_bfloat16_pairs() && !multiplies_bfloat16_tiles(); }

RightFactors::RightFactors(const at::Tensor& planes) : width_(planes.size(2)), values_(planes) {
  const at::ScalarType type = planes.scalar_type();
  const bool pairs = type == at::kBFloat16;
  if (!pairs && !(type == at::kFloat && slow_mkl())) return;
  columns_ = columns_at_a_time(width_, type);
  if (pairs)
    values_ =
        planes.reshape({planes.size(0), planes.size(1) / 2, 2, width_ / columns_, columns_}).permute({0, 3, 1, 4, 2});
  values_ = values_.contiguous();
}

void RightFactors::multiply(at::Tensor result, const at::Tensor& left) const {
  if (columns_ == 0)
    at::bmm_out(result, left, values_);
  else if (left.scalar_type() == at::kBFloat16)
    multiply_by_onednn<at::BFloat16>(result, left, values_, width_, columns_);
  else
    multiply_by_onednn<float>(result, left, values_, width_, columns_);
}

}  // namespace ddls::inference::winograd
