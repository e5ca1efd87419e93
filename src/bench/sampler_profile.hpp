#pragma once
// `bench sampler --profile`: how the profile of Langevin steps is taken and told. How to read one: docs/profiling.md.
#include "bench/bench.hpp"
#include "ddls/step_profile.hpp"
#include "ddls/target.hpp"

namespace ddls::bench {

// Waits for the device, so that spans hold the work itself; that costs the overlap of operations on a GPU.
std::function<double()> clock_of(c10::Device device);

// The target, telling the profile where the update ends.
sampling::Target with_update_timed(sampling::Target target, sampling::StepProfile& profile);

// For networks without an inference graph: forward of both and backward through both are the parts. `one`: [1,
// latent_dim], `label`: [1] or undefined, as chain_step_flops takes them.
sampling::Target autograd_target(const models::NetworkPtr& generator, const models::NetworkPtr& ratio,
                                 c10::Device device, sampling::Prior prior, const at::Tensor& one,
                                 const at::Tensor& label, sampling::StepProfile& profile);

// `peak_flops`: of one rank.
Json profile_as_json(const sampling::StepProfile& profile, double peak_flops);
Json trace_of(const sampling::StepProfile& profile);  // base/chrome_trace.hpp

}  // namespace ddls::bench
