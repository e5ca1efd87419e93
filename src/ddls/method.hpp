#pragma once
// A sampling method as data: how a block of chains starts and how it advances by one step. One file in methods/ returns
// one of these; make_method is the only place that lists them. Chains of a block are independent of each other and of the
// block they are in: noise is keyed by chain id and step.
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>

#include "base/blocks.hpp"
#include "config/config.hpp"
#include "ddls/target.hpp"
#include "tensor/noise.hpp"

namespace ddls {

// One block of chains. `now` is the evaluation at `z`, carried so that a step costs one new gradient.
struct Chains {
  IdRange ids;
  at::Tensor z;  // [n, k]
  Evaluation now;
  at::Tensor acceptance;  // [n] acceptance probability of the last step; undefined where nothing can be rejected
};

struct Method {
  std::string name;
  int64_t steps = 0;
  double temperature = 1;                              // of the law that the kernel targets, s^2 / (2a)
  bool metropolis = false;                             // can reject: acceptance is worth reporting
  std::function<double(int64_t step)> step_size;       // for the records
  std::function<void(Chains&, int64_t step)> advance;  // step = 0, 1, ...
};

// z ~ p0 for the given ids, on the target's device, evaluated.
Chains start_chains(IdRange ids, const Target& target, const Noise& noise);

// Throws Error(config) for a name that is not a method. Adaptive methods run their warm-up here, on fixed pilot chains, so
// every process that calls this gets the same step size.
Method make_method(const std::string& name, const SampleConfig& config, const Target& target, const Noise& noise);

// methods/*.cpp
Method generator_method();
Method ula(const UlaConfig& config, const Target& target, const Noise& noise);
Method mala(const MalaConfig& config, const Target& target, const Noise& noise);

}  // namespace ddls
