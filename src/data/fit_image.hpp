#pragma once
// Cropping and scaling of stored images to one size.
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace ddls {

// uint8 [C, H, W] -> [C, size, size]: the centre square, then scaled; smaller by averaging over areas, larger
// by linear interpolation between pixel centres. Rounded once, at the end.
at::Tensor fit_image(const at::Tensor& image, int64_t size);

}  // namespace ddls
