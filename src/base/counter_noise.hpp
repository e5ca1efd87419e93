#pragma once
// Counter-based noise: what a chain or a training sample receives is a pure function of (seed, id, step, stream), never
// of rank, batch, thread or device. Philox4x32-10 keyed by (seed, stream) with counter (word, id, step); normals by
// Box-Muller in float32. Four columns share one call of Philox. Compiled for the host and by NVRTC for GPUs
// (device/kernel_compiler.hpp); tensors of it: tensor/noise.hpp.
#include <cmath>
#include <cstdint>
#include <numbers>

#include "base/philox.hpp"

namespace ddls {

// Part of the bytes of every run: a number is never changed or used again (test Philox.StreamsKeepTheirNumbers).
enum class Stream : uint32_t {
  prior = 0,           // z_0 of chain id
  langevin = 1,        // n of (chain, step)
  accept = 2,          // u of (chain, step)
  train_latent_d = 3,  // z of the discriminator step: id = sample of the global batch
  train_latent_g = 4,
  ratio_latent = 5,
  instance_noise_real = 6,
  instance_noise_fake = 7,
  data_toy = 8,
  data_order = 9,
  statistics = 10,     // prior draws on which batch-norm statistics are taken
  init = 11,           // id = index of the parameter
  interpolation = 12,  // u of the gradient penalty between reals and fakes
  refresh = 13,        // does chain id start anew at this step
  momentum = 14,       // of (chain, step)
  jitter = 15,         // of the step size at a step; id 0
  proposal = 16,       // prior draws of global moves: id = chain, step counts the draws
  choice = 17,         // u that picks one of them
  swap = 18,           // u of (chain, step and pair)
  label = 19,          // class of a chain
  pilot = 20,          // draws that calibrate a method
  projection = 21,     // directions of the diagnostics
  start = 22,          // what a method adds to a chain's start
  dropout = 23,        // id = layer and sample of the global batch, step = update and forward
  calibration = 24,    // prior draws beside the held-out reals: id = position
  worth = 25,          // step 0: prior draws that an energy is judged by; then the bootstrap
  pool_start = 26,     // where among a pool's weights the chains of label id begin; step counts their starts
};

// The words of columns 4 * group to 4 * group + 3.
constexpr PhiloxCounter noise_words(uint64_t seed, Stream stream, int64_t id, int64_t step, int64_t group) {
  const PhiloxKey key{static_cast<uint32_t>(seed),
                      static_cast<uint32_t>(seed >> 32) ^ (static_cast<uint32_t>(stream) * 0x9E3779B9U)};
  const auto step_high = static_cast<uint32_t>(static_cast<uint64_t>(step) >> 32) << 16;
  const auto id_high = static_cast<uint32_t>(static_cast<uint64_t>(id) >> 32) & 0xFFFFU;
  return philox4x32(
      {static_cast<uint32_t>(group), static_cast<uint32_t>(id), static_cast<uint32_t>(step), step_high | id_high}, key);
}

// The 23 high bits as the midpoint of one of 2^23 equal cells: exact in float32, never 0, never 1.
constexpr float to_unit(uint32_t bits) { return (static_cast<float>(bits >> 9) + 0.5F) * 0x1p-23F; }

struct Uniforms {
  void operator()(const PhiloxCounter& words, float* out) const {
    for (int i = 0; i < 4; ++i) out[i] = to_unit(words[i]);
  }
};

struct Normals {
  void operator()(const PhiloxCounter& words, float* out) const {
    for (int pair = 0; pair < 4; pair += 2) {
      const float radius = std::sqrt(-2.0F * std::log(to_unit(words[pair])));
      const float angle = 2.0F * std::numbers::pi_v<float> * to_unit(words[pair + 1]);
      out[pair] = radius * std::cos(angle);
      out[pair + 1] = radius * std::sin(angle);
    }
  }
};

}  // namespace ddls
