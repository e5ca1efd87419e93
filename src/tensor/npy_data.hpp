#pragma once
// The bytes behind the header of a .npy array, made into a tensor.
#include <ATen/core/Tensor.h>

#include <string>

#include "tensor/npy_header.hpp"

namespace ddls::tensor {

// `bytes`: uint8 [header.bytes()], CPU; what need not be converted shares its memory. Gives [header.sizes] of
// header.dtype, contiguous. Throws Error(data) that names `where`: a uint64 above the largest int64.
at::Tensor npy_tensor(const NpyHeader& header, const at::Tensor& bytes, const std::string& where);

}  // namespace ddls::tensor
