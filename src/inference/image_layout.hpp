#pragma once
// Channels-last images as vectors of features, and back, without a copy.
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace ddls::inference {

// The outputs of a linear layer, [n, side * side * width], read as [side, side, width]: a channels-last image.
at::Tensor as_image(const at::Tensor& outputs, int64_t width, int64_t side);
// The reverse: [n, width, side, side] -> [n, side * side * width].
at::Tensor as_vector(const at::Tensor& image);

}  // namespace ddls::inference
