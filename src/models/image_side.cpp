#include "models/image_side.hpp"

#include "base/error.hpp"

namespace ddls::models {

int64_t halved_side(const SampleShape& image, int64_t halvings, const char* key) {
  const int64_t side = halvings < 62 ? image[1] >> halvings : 0;
  if (side < 1 || (side << halvings) != image[1])
    fail(Exit::config, "{}: a side of {} pixels cannot be halved {} times", key, image[1], halvings);
  return side;
}

}  // namespace ddls::models
