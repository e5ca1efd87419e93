#include "inference/image_layout.hpp"

#include <ATen/ATen.h>

namespace ddls::inference {

at::Tensor as_image(const at::Tensor& outputs, int64_t width, int64_t side) {
  return outputs.view({outputs.size(0), side, side, width}).permute({0, 3, 1, 2});
}

at::Tensor as_vector(const at::Tensor& image) { return image.permute({0, 2, 3, 1}).flatten(1); }

}  // namespace ddls::inference
