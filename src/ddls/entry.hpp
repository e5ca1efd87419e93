#pragma once
// For methods/*.cpp: a sampler's entry in the registry, written with the types of its own options.
//
//   Sampler mala_sampler() {
//     return described<MalaOptions>({.name = "mala",
//                                    .title = "MALA",
//                                    .summary = "Metropolis-adjusted Langevin",
//                                    .keys = bind_mala,
//                                    .has_warm_up = adapts<MalaOptions>,
//                                    .exact = true,
//                                    .make = [](const MalaOptions& options, const SamplerContext& c) { ... },
//                                    .rates = {acceptance_rate()}});
//   }
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "ddls/registry.hpp"

namespace ddls::sampling {

// What the fields mean: Sampler. `check` names keys as `keys` does.
template <typename T>
struct Entry {
  std::string name, title, summary;
  int colour = 0;
  std::function<void(config::Section&, T&)> keys = {};  // empty: no options
  std::function<std::vector<config::Conflict>(const T&)> check = {};
  bool uses_ratio = true;
  config::ByOptions<T, bool> needs_gradient = true, has_warm_up = false, exact = false;
  std::function<Method(const T&, const SamplerContext&)> make;
  std::vector<Rate> rates = {};
};

template <typename T>
Sampler described(Entry<T> entry) {
  return {.name = std::move(entry.name),
          .title = std::move(entry.title),
          .summary = std::move(entry.summary),
          .colour = entry.colour,
          .defaults =
              entry.keys ? config::Options::of<T>(std::move(entry.keys), std::move(entry.check)) : config::Options(),
          .uses_ratio = entry.uses_ratio,
          .needs_gradient = config::with_options_as<T>(std::move(entry.needs_gradient)),
          .has_warm_up = config::with_options_as<T>(std::move(entry.has_warm_up)),
          .exact = config::with_options_as<T>(std::move(entry.exact)),
          .make = config::with_options_as<T>(std::move(entry.make)),
          .rates = std::move(entry.rates)};
}

inline Rate evaluations_of_step() {
  return {evaluations_rate, "evaluations", "per step", "ratios that a step evaluated"};
}
inline Rate acceptance_rate() { return {"acceptance", "acceptance", "", "acceptance"}; }

// The keys of all kernels that adapt a step size.
template <typename T>
void bind_warm_up(config::Section& s, T& o) {
  s.value("target_acceptance", &o.target_acceptance, "acceptance that the adaptation aims at", config::inside(0, 1));
  s.value("warmup", &o.warmup, "steps of adaptation", config::at_least(0));
  s.value("pilot_chains", &o.pilot_chains, "chains of the adaptation, apart from those that are kept",
          config::at_least(1));
}

}  // namespace ddls::sampling
