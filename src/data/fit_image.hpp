#pragma once
// Cropping and scaling of stored images to one size.
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>

namespace ddls::data {

// uint8 [C, H, W] -> [C, size, size]: the largest square, then scaled; smaller by averaging over areas, larger by
// linear interpolation between pixel centres. Rounded once, at the end. The square lies in the centre, or where `place`
// in [0, 1) says along the longer side (uniform `place`: every position alike).
at::Tensor fit_image(const at::Tensor& image, int64_t size, std::optional<double> place = {});

// The same of a whole image, stretched: uint8 [C, H, W] -> `result`, uint8 (rounded) or float32 (not) [C, height,
// width], dense.
void scale_by_areas(const at::Tensor& image, at::Tensor& result);

}  // namespace ddls::data
