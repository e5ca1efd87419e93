#pragma once
// Batch normalisation without running averages. In training mode a batch is normalised by its own statistics (a shard of
// the global batch: so nothing depends on how shards are dealt to ranks). In eval mode fixed "standing statistics" are
// used; they are measured on given weights by `measure_statistics` and are buffers, so
// they travel with the weights.
#include <torch/nn/module.h>

namespace ddls {

class BatchNorm : public torch::nn::Module {
 public:
  explicit BatchNorm(int64_t features, double eps = 1e-5);
  at::Tensor forward(const at::Tensor& x);  // [n, features] or [n, features, H, W]

  // Between begin and end, training-mode forwards add their batch statistics; end writes the averages to the buffers.
  void begin_measuring();
  void end_measuring();

 private:
  double eps_;
  at::Tensor weight_, bias_, mean_, variance_;
  bool measuring_ = false;
  int64_t batches_ = 0;
  at::Tensor mean_sum_, variance_sum_;  // float64
};

// Runs the network in training mode over `batches` (a callback that gives input batch i) and fixes the statistics of all
// its BatchNorm layers; leaves the network in eval mode. Does nothing but that for networks without one.
void measure_statistics(torch::nn::Module& network, const std::function<at::Tensor(const at::Tensor&)>& forward,
                        int64_t batches, const std::function<at::Tensor(int64_t)>& batch);

}  // namespace ddls
