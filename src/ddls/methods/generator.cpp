// Plain generation, z ~ p0: the row that every sampler is compared with. A method of zero steps.
#include "ddls/entry.hpp"

namespace ddls::sampling {

Sampler generator_sampler() {
  return described<config::NoOptions>({.name = "generator",
                                       .title = "generator",
                                       .summary = "the generator's own samples",
                                       .colour = 1,
                                       .uses_ratio = false,
                                       .needs_gradient = false,
                                       .make = [](const config::NoOptions&, const SamplerContext&) -> Method {
                                         return {.step_size = [](int64_t) { return 0.0; },
                                                 .advance = [](Chains&, int64_t) {}};
                                       }});
}

}  // namespace ddls::sampling
