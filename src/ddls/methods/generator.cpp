// Plain generation, z ~ p0: the row that every sampler is compared with. A method of zero steps.
#include "ddls/method.hpp"

namespace ddls {

Method generator_method() {
  return {"generator", 0, 1.0, false, [](int64_t) { return 0.0; }, [](Chains&, int64_t) {}};
}

}  // namespace ddls
