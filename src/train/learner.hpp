#pragma once
// One network under data-parallel training: flat parameters, gradient reduction, Adam, and the moving average.
//
// A global batch is cut into shards, contiguous ids of equal size, and shards are dealt to ranks. With `train.shards` >
// 0 (or auto, see shards.hpp) their number is part of the configuration and gradients are summed exactly: the weights
// are the same bits for every rank count. With 0 there is one shard per rank, and reduction overlaps with backward.
#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <vector>

#include "base/blocks.hpp"
#include "dist/gradient_reducer.hpp"
#include "models/network_fwd.hpp"
#include "tensor/adam.hpp"

namespace ddls::train {

struct ShardPlan {
  int64_t batch = 0, shards = 0;
  bool exact = true;
  std::vector<IdRange> mine;  // ids within the global batch
};
// Throws Error(config) if the batch cannot be cut evenly. Warns where ranks outnumber shards (they idle in training).
ShardPlan plan_shards(int64_t batch, int64_t shards, const dist::Communicator& comm, const char* batch_key);

// Moving average of weights: decay 0 is none; until step `start` the average is the weights.
struct Average {
  double decay = 0;
  int64_t start = 0;
};

class Learner {
 public:
  // **Collective.** Broadcasts rank 0's weights. All references must outlive it.
  Learner(models::NetworkPtr network, const config::AdamConfig& config, int64_t total_steps, const Average& average,
          const ShardPlan& plan, dist::Communicator& comm);

  // Mean loss over one shard, and scalars to watch ([same number from every shard] float64, from `watch`).
  struct ShardLoss {
    at::Tensor loss, watched;
  };
  // Scalars side by side, off the tape and still on their device: to read them there and then would keep the backward
  // pass from being launched until a GPU has caught up.
  static at::Tensor watch(at::TensorList scalars);
  // **Collective.** One optimiser step. A GPU may still have to do it on return.
  void update(int64_t step, size_t watched, const std::function<ShardLoss(IdRange shard)>& shard_loss);
  // The scalars of the last update, averaged over all shards of all ranks. The first call after an update waits for a
  // GPU.
  std::vector<double> watched() const;

  models::Network& network() const { return *network_; }
  void set_trainable(bool trainable);  // requires_grad of all parameters
  const at::Tensor& ema() const { return ema_; }
  // The moving average (the weights themselves without one) in `fresh`, a network of the same architecture.
  models::NetworkPtr averaged(models::NetworkPtr fresh) const;
  // Of parameters and buffers: u and v of spectral norms are computed by every rank for itself, and unlike GPUs round
  // otherwise.
  uint64_t digest() const;
  double gradient_norm() const;  // of the last update, after the mean over shards

  tensor::NamedTensors optimizer_state() const;  // Adam's moments, and the flat average under "ema"
  void load_optimizer_state(const tensor::NamedTensors& state, const std::string& source);

 private:
  models::NetworkPtr network_;
  config::AdamConfig config_;
  int64_t total_steps_;
  Average average_;
  ShardPlan plan_;
  dist::Communicator& comm_;
  tensor::FlatParameters flat_;
  tensor::Adam adam_;
  at::Tensor ema_;
  std::unique_ptr<dist::GradientReducer> reducer_;
  bool checked_gradients_ = false;
};

}  // namespace ddls::train
