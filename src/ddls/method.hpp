#pragma once
// A sampling method as data: how a block of chains starts and how it advances by one step. One file in methods/ returns
// one of these; make_method is the only place that lists them. Chains of a block are independent of each other and of the
// block they are in: noise is keyed by chain id and step.
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "ddls/chains.hpp"
#include "ddls/pilot.hpp"
#include "ddls/target.hpp"
#include "tensor/noise.hpp"

namespace ddls {

// What a step costs a chain.
struct StepCost {
  double gradients = 1;  // evaluations of the energy with its gradient
  double ratios = 0;     // evaluations of the ratio alone
};

struct Method {
  std::string name;
  int64_t steps = 0;
  double temperature = 1;  // of the law that the kernel targets, s^2 / (2a)
  StepCost cost = {};
  std::vector<std::string> rates = {};            // the keys of Chains::rates that its steps set
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
Chains start(const Method& method, IdRange ids, const Target& target, const Noise& noise, int64_t draw = 0);

// Throws Error(config) for a name that is not a method. A method that has a warm-up (pilot.hpp) makes it here: with `warm_up.sum`
// this is then collective, and what a rank throws is its own.
Method make_method(const std::string& name, const SampleConfig& config, const Target& target, const Noise& noise,
                   const WarmUp& warm_up = {});

// Whether the method as configured uses grad r: the others are given targets `without_gradient`, and the costs that they name
// are with these.
bool needs_gradient(const std::string& name, const SampleConfig& config);

// Whether the method as configured has a warm-up.
bool has_warm_up(const std::string& name, const SampleConfig& config);

// methods/*.cpp
Method generator_method();
Method ula(const UlaConfig& config, const Target& target, const Noise& noise);
Method mala(const MalaConfig& config, const Target& target, const Noise& noise, const WarmUp& warm_up = {});
Method hmc(const HmcConfig& config, const Target& target, const Noise& noise, const WarmUp& warm_up = {});
Method underdamped(const UnderdampedConfig& config, const Target& target, const Noise& noise);
Method ex2mcmc(const Ex2Config& config, const Target& target, const Noise& noise, const WarmUp& warm_up = {});
Method tempering(const TemperingConfig& config, const Target& target, const Noise& noise, const WarmUp& warm_up = {});
Method drs(const DrsConfig& config, const Target& target, const Noise& noise, const WarmUp& warm_up = {});
Method mh_gan(const MhGanConfig& config, const Target& target, const Noise& noise);
Method rep_gan(const RepGanConfig& config, const Target& target, const Noise& noise);
Method dot(const DotConfig& config, const Target& target, const Noise& noise);
Method dgflow(const DgflowConfig& config, const Target& target, const Noise& noise);
Method truncation(const TruncationConfig& config, const Target& target);
// Throws Error(config) where the target gives no score of samples.
Method pixel_langevin(const PixelLangevinConfig& config, const Target& target, const Noise& noise);

}  // namespace ddls
