#include "models/image_side.hpp"

#include <ATen/ATen.h>

#include "base/error.hpp"

namespace ddls {

int64_t halved_side(const SampleShape& image, int64_t halvings, const char* key) {
  const int64_t side = halvings < 62 ? image[1] >> halvings : 0;
  if (side < 1 || (side << halvings) != image[1])
    fail(Exit::config, "{}: a side of {} pixels cannot be halved {} times", key, image[1], halvings);
  return side;
}

at::Tensor as_image(const at::Tensor& outputs, int64_t width, int64_t side) {
  return outputs.view({outputs.size(0), side, side, width}).permute({0, 3, 1, 2});
}

at::Tensor as_vector(const at::Tensor& image) { return image.permute({0, 2, 3, 1}).flatten(1); }

}  // namespace ddls
