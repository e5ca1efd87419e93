#pragma once
// A sampling method as data: how a block of chains starts and how it advances by one step. One file in methods/ returns
// one of these; registry.hpp lists them. Unless they are a population, chains of a block are independent of each other
// and of the block they are in: noise is keyed by chain id and step.
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "ddls/chains.hpp"
#include "ddls/pilot.hpp"
#include "ddls/target.hpp"
#include "tensor/noise.hpp"

namespace ddls::sampling {

// What a step costs a chain.
struct StepCost {
  double gradients = 1;  // evaluations of the energy with its gradient
  double ratios = 0;     // evaluations of the ratio alone
  bool counted = false;  // the ratios vary by chain and step: the rate `evaluations_rate` counts them
};
inline constexpr const char* evaluations_rate = "evaluations";

struct Method {
  std::string name = {};  // make_method sets it
  int64_t steps = 0;
  double temperature = 1;  // of the law that the kernel targets, s^2 / (2a)
  bool exact = false;      // Sampler::exact, as configured
  // The chains of a block, those of its padding included, are the particles of one population.
  bool population = false;
  StepCost cost = {};
  std::vector<std::string> rates = {};  // the keys of Chains::rates that its steps set
  // Of these rates, those of which the value at a record counts, not the mean since the record before.
  std::vector<std::string> last_rates = {};
  std::map<std::string, double> warm_up = {};     // what a warm-up found out, for the manifest
  std::function<double(int64_t step)> step_size;  // for the records
  // Fills Chains::extra of chains that have just started; empty: the method carries nothing more.
  std::function<void(Chains&, int64_t draw)> start = {};
  std::function<void(Chains&, int64_t step)> advance;  // step = 0, 1, ...
  // The chains' samples, for methods that do not end in latent space; empty: the target's decode of z.
  std::function<at::Tensor(const Chains&)> samples = {};
};

// The chains' samples as the generator gives them.
at::Tensor samples_of(const Method& method, const Chains& chains, const Target& target);

// start_chains and what the method adds.
Chains start(const Method& method, IdRange ids, const Target& target, const tensor::Noise& noise, int64_t draw = 0);

}  // namespace ddls::sampling
