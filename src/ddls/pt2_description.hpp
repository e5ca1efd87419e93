#pragma once
// What ddls.json of a .pt2 archive says (docs/export.md).
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "tensor/pt2_self_test.hpp"

namespace ddls::sampling {

// What the programs gave where they were written; on the CPU.
struct Pt2SelfTest {
  at::Tensor latents;              // [n, k]
  at::Tensor labels;               // [n] int64; undefined: unconditional
  at::Tensor log_ratio, gradient;  // [n]; [n, k]; undefined in an archive of a generator alone
  at::Tensor pullback;             // [n, k]: decode_vjp of v, cos(0.7 j) at the j-th value of each sample; or undefined
  at::Tensor sample_places, samples;  // [m] int64, places in a flattened sample; [n, m]
};

struct Pt2Description {
  int64_t latent_dim = 0, classes = 0;
  std::string prior;
  std::vector<int64_t> sample_shape;
  tensor::Pt2Origin origin;
  Pt2SelfTest test;
};

// Throws Error(data) naming the file and the key.
Pt2Description description_of(const tensor::Pt2Archive& archive);

}  // namespace ddls::sampling
