#include "tensor/npy_data.hpp"

#include <ATen/ATen.h>

#include <algorithm>

#include "base/error.hpp"

namespace ddls::tensor {
namespace {

// The values of words that `stored` read as signed.
at::Tensor as_unsigned(const at::Tensor& words, const NpyHeader& header, const std::string& where) {
  if (header.stored != at::kLong)
    return words.to(header.dtype).bitwise_and_((int64_t{1} << (8 * c10::elementSize(header.stored))) - 1);
  if (words.numel() > 0 && words.min().item<int64_t>() < 0)
    fail(Exit::data, "{}: it holds a uint64 of 2^63 or more; save it as int64", where);
  return words;
}

}  // namespace

at::Tensor npy_tensor(const NpyHeader& header, const at::Tensor& bytes, const std::string& where) {
  if (bytes.numel() == 0) return at::empty(header.sizes, header.dtype);
  const auto width = static_cast<int64_t>(c10::elementSize(header.stored));
  const at::Tensor little = header.big_endian && width > 1 ? bytes.view({-1, width}).flip(1).flatten() : bytes;
  at::Tensor values = little.view(header.stored);
  if (header.unsigned_words) values = as_unsigned(values, header, where);
  if (!header.fortran_order) return values.view(header.sizes);
  std::vector<int64_t> reversed(header.sizes.rbegin(), header.sizes.rend()), axes(header.sizes.size());
  for (size_t i = 0; i < axes.size(); ++i) axes[i] = static_cast<int64_t>(axes.size() - 1 - i);
  return values.view(reversed).permute(axes).contiguous();
}

}  // namespace ddls::tensor
