#pragma once
// A sampler that does nothing, in a registry of its own beside the program's: what one more sampler needs is here.
#include <vector>

#include "ddls/entry.hpp"

namespace ddls::test {

struct IdleOptions {
  int64_t steps = 3;
  double patience = 0.5;
};

inline sampling::Sampler idle_sampler() {
  return sampling::described<IdleOptions>(
      {.name = "idle",
       .title = "Idle",
       .summary = "leaves the chains where they start",
       .keys =
           [](config::Section& s, IdleOptions& o) {
             s.value("steps", &o.steps, "steps that do nothing", config::at_least(0));
             s.value("patience", &o.patience, "how long it waits", config::inside(0, 1));
           },
       .check = [](const IdleOptions& o) -> std::vector<config::Conflict> {
         if (o.steps > 0 || o.patience == IdleOptions().patience) return {};
         return {{{"patience", "steps"}, "nobody waits where there are no steps"}};
       },
       .needs_gradient = [](const IdleOptions& o) { return o.steps > 100; },
       .make = [](const IdleOptions& o, const sampling::SamplerContext&) -> sampling::Method {
         return {.steps = o.steps,
                 .rates = {"idleness"},
                 .step_size = [](int64_t) { return 0.0; },
                 .advance = [](sampling::Chains& c, int64_t) { c.rates["idleness"] = at::ones({c.z.size(0)}); }};
       },
       .rates = {{"idleness", "idle", "share", "share of idle chains"}}});
}

inline std::vector<sampling::Sampler> with_idle_sampler() {
  std::vector<sampling::Sampler> all(sampling::samplers().begin(), sampling::samplers().end());
  all.push_back(idle_sampler());
  return all;
}

}  // namespace ddls::test
