// Plain generation, z ~ p0: the row that every sampler is compared with. A method of zero steps.
#include "ddls/method.hpp"

namespace ddls {

Method generator_method() {
  return {.name = "generator", .step_size = [](int64_t) { return 0.0; }, .advance = [](Chains&, int64_t) {}};
}

}  // namespace ddls
