#pragma once
// Chains that live through training: the same [count, k] states on every rank, moved in turn. A step moves a window of
// `batch` chains; each shard takes up its part, moves it and puts it back; exchange() makes all ranks agree again.
#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <string>

#include "base/blocks.hpp"
#include "dist/communicator.hpp"
#include "tensor/noise.hpp"
#include "tensor/npz.hpp"

namespace ddls::train {

class PersistentChains {
 public:
  // `count` is a multiple of `batch`. `refresh`: share of chains that start anew from the prior when their turn comes.
  PersistentChains(int64_t count, int64_t batch, int64_t latent_dim, double refresh, const tensor::Noise& noise,
                   c10::Device device);

  // Chain ids of a shard (its ids within the batch) at this step.
  IdRange turn(IdRange shard, int64_t step) const;
  at::Tensor take_up(IdRange chains, int64_t step) const;  // [n, k]
  void put_back(IdRange chains, const at::Tensor& latents);
  void exchange(dist::Communicator& comm, int64_t step);  // **Collective.** After all shards of the step.

  tensor::NamedTensors state() const;
  void load(const tensor::NamedTensors& state, const std::string& source);

 private:
  int64_t batch_;
  double refresh_;
  tensor::Noise noise_;
  at::Tensor latents_;  // [count, k]
  at::Tensor moved_;    // [batch, k]: this rank's rows of the step's window, zeros elsewhere
};

}  // namespace ddls::train
