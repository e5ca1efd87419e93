#pragma once
// Counter-based noise: what a chain or a training sample receives is a pure function of (seed, id, step, stream), never
// of rank, batch, thread or device. Philox4x32-10 keyed by (seed, stream) with counter (word, id, step); normals by
// Box-Muller in float32.
#include <ATen/core/Tensor.h>

#include <cstdint>

#include "base/blocks.hpp"

namespace ddls {

enum class Stream : uint32_t {
  prior,           // z_0 of chain id
  langevin,        // n of (chain, step)
  accept,          // u of (chain, step)
  train_latent_d,  // z of the discriminator step: id = sample of the global batch
  train_latent_g,
  ratio_latent,
  instance_noise_real,
  instance_noise_fake,
  data_toy,
  data_order,
  statistics,     // prior draws on which batch-norm statistics are taken
  init,           // id = index of the parameter
  interpolation,  // u of the gradient penalty between reals and fakes
  refresh,        // does chain id start anew at this step
  momentum,       // of (chain, step)
  jitter,         // of the step size at a step; id 0
  proposal,       // prior draws of global moves: id = chain, step counts the draws
  choice,         // u that picks one of them
  swap,           // u of (chain, step and pair)
  label,          // class of a chain
  pilot,          // draws that calibrate a method
  projection,     // directions of the diagnostics
  start,          // what a method adds to a chain's start
  dropout,        // id = layer and sample of the global batch, step = update and forward
  calibration,    // prior draws beside the held-out reals: id = position
};

struct Noise {
  uint64_t seed = 0;

  // float32 [ids.size(), dim], CPU.
  at::Tensor normal(IdRange ids, int64_t dim, int64_t step, Stream stream) const;
  at::Tensor uniform(IdRange ids, int64_t dim, int64_t step, Stream stream) const;  // in (0, 1)
};

}  // namespace ddls
