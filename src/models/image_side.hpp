#pragma once
// What convolutional networks share at their ends.
#include <ATen/core/Tensor.h>

#include "models/network_fwd.hpp"

namespace ddls {

// The side of a square image after so many halvings; throws Error(config) naming `key` where it does not divide.
int64_t halved_side(const SampleShape& image, int64_t halvings, const char* key);

// The outputs of a linear layer, [n, side * side * width], read as [side, side, width]: a channels-last image without a
// copy.
at::Tensor as_image(const at::Tensor& outputs, int64_t width, int64_t side);
// The reverse: [n, width, side, side] -> [n, side * side * width].
at::Tensor as_vector(const at::Tensor& image);

}  // namespace ddls
