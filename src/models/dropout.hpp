#pragma once
// Dropout whose masks are a pure function of (seed, sample, step, layer), never of rank or batch: a sample of the
// global batch loses the same units wherever it is computed.
#include <torch/nn/module.h>

#include <cstdint>

namespace ddls::models {

class Dropout : public torch::nn::Module {
 public:
  // `index` tells the dropout layers of one network apart; `share` in [0, 1).
  Dropout(double share, int64_t index) : share_(share), index_(index) {}

  // Training mode: units of x, [n, features], are zeroed with probability `share`, the others divided by 1 - share.
  // Throws Error(internal) without a key. Eval mode: x itself.
  at::Tensor forward(const at::Tensor& x);
  void set_key(uint64_t seed, int64_t step, int64_t first_sample);

 private:
  double share_;
  int64_t index_;
  bool keyed_ = false;
  uint64_t seed_ = 0;
  int64_t step_ = 0, first_sample_ = 0, calls_ = 0;
};

// Before the forwards of one update on samples first_sample, first_sample + 1, ... of the global batch (a shard's
// first). Each further forward under the same key (reals, then fakes) draws masks of its own. Where a network takes
// part in two kinds of update, give them different seeds (base/purpose.hpp). Nothing for networks without dropout.
void key_dropout(torch::nn::Module& network, uint64_t seed, int64_t step, int64_t first_sample);

}  // namespace ddls::models
